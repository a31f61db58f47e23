package record

import (
	"errors"
	"syscall"
	"testing"
	"time"
)

// Room for later is a 64th part of what the disk has to spare, to the byte; what is
// needed now is taken without a question.
func TestReserveSpares(t *testing.T) {
	const part = 64 << 10
	asked := 0
	c := quiet(t.TempDir())
	c.Spare = func(n int64) bool { asked++; return n <= 64*part }
	f, _, err := c.CreateFile("live/a", time.Now(), ".mp4")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	disk := f.(*diskFile)
	for _, tt := range []struct {
		end, more int64
		asked     int
		ok        bool
	}{
		{1 << 20, 0, 0, true}, {1 << 20, part, 1, true}, {1 << 20, part + 1, 2, false}, {2 << 20, 0, 2, true},
	} {
		err := disk.Reserve(tt.end, tt.more)
		if errors.Is(err, errors.ErrUnsupported) {
			t.Fatal("the file system of the temporary directory reserves nothing")
		}
		if (err == nil) != tt.ok || err != nil && !errors.Is(err, syscall.ENOSPC) || asked != tt.asked {
			t.Errorf("%d and %d more: %v, the disk was asked %d times", tt.end, tt.more, err, asked)
		}
	}
	if info, err := disk.Stat(); err != nil || info.Size() != 0 {
		t.Errorf("%d bytes, %v", info.Size(), err)
	}
}
