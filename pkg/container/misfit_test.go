package container

import (
	"bytes"
	"strings"
	"testing"
)

func TestMisfits(t *testing.T) {
	b := []byte("good bad bad good bad")
	track := &Track{Timescale: 1000}
	at := int64(0)
	for i, word := range bytes.Fields(b) {
		track.Add(Row{Offset: at, Size: uint32(len(word)), DTS: int64(100 * i)})
		at += int64(len(word)) + 1
	}
	fit := func(sample []byte) bool { return string(sample) == "good" }
	got, err := Misfits(bytes.NewReader(b), track, fit, "X1", "%s is bad")
	if err != nil || len(got) != 2 {
		t.Fatalf("%v, %v", got, err)
	}
	for i, want := range []Finding{
		{Code: "X1", Severity: Warning, Offset: 5, End: 12, Text: "2 frames, from 0.100 s to 0.200 s, is bad"},
		{Code: "X1", Severity: Warning, Offset: 18, End: 21, Text: "a frame is bad"},
	} {
		if got[i] != want {
			t.Errorf("%+v, want %+v", got[i], want)
		}
	}
	if _, err := Misfits(strings.NewReader("good"), track, fit, "", ""); err == nil {
		t.Error("a file that is cut gives no error")
	}
}
