package flv

import (
	"errors"
	"slices"
	"testing"
	"time"
)

// failAt fails from an offset on.
type failAt struct {
	*memFile
	at int64
}

func (f failAt) ReadAt(p []byte, at int64) (int, error) {
	if at+int64(len(p)) > f.at {
		return 0, errRead
	}
	return f.memFile.ReadAt(p, at)
}

// tagsOf lists the tags of media.
func tagsOf(t *testing.T, f *memFile) (bodies []string, times []time.Duration) {
	t.Helper()
	tags, err := NewReader(f, f.size())
	if err != nil {
		t.Fatal(err)
	}
	for {
		tag, err := tags.Next()
		if err != nil {
			return bodies, times
		}
		if tag.Type != TagScript && len(tag.Body) > 0 {
			bodies, times = append(bodies, string(tag.Body)), append(times, tag.Time)
		}
	}
}

// A copy has every tag of the source, as it was, with times from 0; it is whole
// and ours, and Finalize changes nothing of it.
func TestCopy(t *testing.T) {
	for _, r := range runs[:7] {
		for _, base := range []int64{0, 3_600_000} {
			tags := slices.Clone(r.bodies)
			for i := range tags {
				tags[i].ms += base
			}
			src, dst := foreign(nil, tags), &memFile{}
			source := slices.Clone(src.data)
			made, _ := scan(t, src)
			if err := Copy(dst, src, src.size(), made); err != nil {
				t.Fatal(err)
			}
			x, findings := scan(t, dst)
			findings = append(findings, Check(x)...)
			if len(findings) > 0 || !x.Ours || x.Duration() != r.duration {
				t.Errorf("%s: %v, %v", r.name, x.Duration(), findings)
			}
			want, wantTimes := tagsOf(t, src)
			got, times := tagsOf(t, dst)
			if !slices.Equal(got, want) || !slices.Equal(source, src.data) {
				t.Errorf("%s: %d tags, want %d, or they differ", r.name, len(got), len(want))
			}
			for i := range min(len(times), len(wantTimes)) {
				if want := wantTimes[i] - time.Duration(base)*time.Millisecond - x.begin(); times[i]-want > 5*time.Millisecond {
					t.Fatalf("%s: tag %d at %v, want %v", r.name, i, times[i], want)
				}
			}
			before := slices.Clone(dst.data)
			finish(t, dst)
			if !slices.Equal(before, dst.data) {
				t.Errorf("%s: the copy was not finished", r.name)
			}
		}
	}
}

// A copy has what is whole of a file that is cut.
func TestCopyCut(t *testing.T) {
	full := foreign(nil, runs[0].bodies)
	want, _ := tagsOf(t, full)
	for n := full.size(); n > 400; n -= 7 {
		src, dst := bytesFile(full.data[:n]), &memFile{}
		x, _ := scan(t, src)
		if err := Copy(dst, src, n, x); err != nil {
			t.Fatal(err)
		}
		if got, _ := tagsOf(t, dst); len(got) != x.Tags || !slices.Equal(got, want[:len(got)]) {
			t.Fatalf("%d bytes: %d tags, want %d", n, len(got), x.Tags)
		}
	}
}

// What cannot be read or written is an error: the copy is not whole.
func TestCopyFails(t *testing.T) {
	full := foreign(nil, runs[0].bodies)
	x, _ := scan(t, full)
	if err := Copy(&memFile{}, failAt{full, 500}, full.size(), x); !errors.Is(err, errRead) {
		t.Errorf("reading: %v", err)
	}
	if err := Copy(&memFile{fail: func([]byte) (int, error) { return 0, errDisk }}, full, full.size(), x); !errors.Is(err, errDisk) {
		t.Errorf("writing: %v", err)
	}
	text := bytesFile([]byte("no FLV"))
	x, _ = scan(t, text)
	if err := Copy(&memFile{}, text, text.size(), x); err != errNothing {
		t.Errorf("no FLV: %v", err)
	}
}
