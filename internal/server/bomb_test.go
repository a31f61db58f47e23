package server

import (
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/rtmptool/rtmptool/internal/record"
	"github.com/rtmptool/rtmptool/pkg/media"
	"github.com/rtmptool/rtmptool/pkg/rtmp"
)

// TestTimestampBombs: whatever a publisher's clock says, a recording is as long as
// what was sent, has nothing in it beside that, and viewers see time go on evenly.
func TestTimestampBombs(t *testing.T) {
	const frames, step, bodySize = 200, 33, 1000 // step: ms
	random := rand.New(rand.NewPCG(5, 6))
	for name, clock := range map[string]func(i uint32) (video, audio uint32){
		"2^31 on and back":        func(i uint32) (uint32, uint32) { return i*step + i%2<<31, i*step + i%2<<31 },
		"2^31 on, for good":       func(i uint32) (uint32, uint32) { return i*step + i/100<<31, i*step + i/100<<31 },
		"2^31 back, for good":     func(i uint32) (uint32, uint32) { return i*step - i/100<<31, i*step - i/100<<31 },
		"just before the wrap":    func(i uint32) (uint32, uint32) { return i*step - 100*step, i*step - 100*step },
		"always 2^32-1":           func(uint32) (uint32, uint32) { return 1<<32 - 1, 1<<32 - 1 },
		"an hour on each time":    func(i uint32) (uint32, uint32) { return i * 3600_000, i * 3600_000 },
		"sound 12 days elsewhere": func(i uint32) (uint32, uint32) { return i * step, i*step + 1<<30 },
		"anything":                func(uint32) (uint32, uint32) { return random.Uint32(), random.Uint32() },
	} {
		for _, format := range []record.Format{record.FLV, record.MP4} {
			t.Run(name+", "+string(format), func(t *testing.T) {
				dir := t.TempDir()
				s := start(t, Config{Record: &record.Config{Dir: dir, Format: format}})
				viewer, p := s.play("main"), s.publish("main")
				sent := []rtmp.Message{video(0, goodHeader), audio(0, aacHeader)}
				for i := range uint32(frames) {
					v, a := clock(i)
					frame := interFrame
					if i%50 == 0 {
						frame = keyFrame
					}
					sent = append(sent, video(v, frame(string(make([]byte, bodySize)))), audio(a, aacFrame("sound")))
				}
				const first = 3 // a viewer who waits begins at the first keyframe, one who is late at the last
				p.send(sent[:first]...)
				newest := uint32(0)
				for i := range sent {
					m := viewer.media()
					if i == first-1 {
						p.send(sent[first:]...)
					}
					if late := int32(m.Timestamp - newest); late > 1000 || late < -1000 {
						t.Fatalf("a viewer's time goes from %d to %d ms", newest, m.Timestamp)
					}
					newest = max(newest, m.Timestamp)
				}
				if err := s.stop(); err != nil {
					t.Error(err)
				}
				r := wholeFile(t, dir, "live_main")
				if v, a := samples(r, media.Video), samples(r, media.Audio); v != frames || a != frames {
					t.Errorf("%d and %d samples, want %d of each", v, a, frames)
				}
				// Each jump is taken for a frame's step, of both tracks.
				if d := r.Duration(); d > 2*frames*nominalStep+time.Second {
					t.Errorf("the recording lasts %v", d)
				}
				info, err := os.Stat(r.Path)
				if err != nil {
					t.Fatal(err)
				}
				if most := int64(2*frames*(bodySize+200) + 16<<10); info.Size() > most {
					t.Errorf("the recording has %d bytes, at most %d are fair", info.Size(), most)
				}
			})
		}
	}
}
