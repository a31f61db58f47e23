package container

import (
	"math/rand"
	"slices"
	"testing"
)

// Whatever rows go in come out again, in order.
func TestRowsRoundTrip(t *testing.T) {
	random := rand.New(rand.NewSource(1))
	for range 200 {
		var track Track
		var want []Row
		r := Row{Offset: random.Int63n(1 << 40), DTS: random.Int63n(1<<40) - 1<<39}
		for range random.Intn(5000) {
			r.Size = uint32(random.Int63n(1 << random.Intn(32)))
			r.CTS = int32(random.Intn(3) * (random.Intn(1<<20) - 1<<18))
			r.Key = random.Intn(30) == 0
			want = append(want, r)
			track.Add(r)
			r.Offset = r.End() + int64(random.Intn(2)*random.Intn(1000))
			r.DTS += int64(1 + random.Intn(2)*random.Intn(100000))
			if random.Intn(1000) == 0 { // whatever a file says
				r = Row{Offset: int64(random.Uint64()), DTS: int64(random.Uint64()), CTS: int32(random.Uint32())}
			}
		}
		i := 0
		for got := range track.Rows() {
			if got != want[i] {
				t.Fatalf("row %d is %+v, want %+v", i, got, want[i])
			}
			i++
		}
		if i != len(want) || track.Samples != len(want) {
			t.Fatalf("%d rows, want %d", i, len(want))
		}
		if len(want) > 0 && (track.First != want[0] || track.Last != want[len(want)-1]) {
			t.Fatal("First or Last is wrong")
		}
	}
}

// An hour of video and audio, with the gaps of fragments, takes at most 2.8 MB.
func TestRowsAreSmall(t *testing.T) {
	video, audio := Track{Timescale: 90000}, Track{Timescale: 48000}
	offset := int64(48)
	for i := range 3600 * 30 {
		offset += 300 // moof
		video.Add(Row{Offset: offset, Size: uint32(15000 + i%700), DTS: int64(i*100/3) * 90, CTS: int32(i % 3 * 3000), Key: i%60 == 0})
		offset += 15000 + int64(i%700)
		for range 1 + i%2 {
			size := uint32(320 + i%50)
			audio.Add(Row{Offset: offset, Size: size, DTS: int64(audio.Samples) * 1024, Key: true})
			offset += int64(size)
		}
	}
	if total := video.Bytes() + audio.Bytes(); total > 2_800_000 {
		t.Errorf("an hour takes %d bytes", total)
	} else {
		t.Logf("an hour takes %d bytes", total)
	}
}

// The rows of tracks come in the order in which they lie in the file; those of a track that
// is not in this order keep their own.
func TestInFileOrder(t *testing.T) {
	type at struct {
		track  int
		offset int64
	}
	for _, c := range []struct {
		name    string
		offsets [][]int64
		want    []at
	}{
		{"no track", nil, nil},
		{"no rows", [][]int64{nil, nil}, nil},
		{"one track", [][]int64{{5, 9}}, []at{{0, 5}, {0, 9}}},
		{"in turn", [][]int64{{1, 4, 9}, {2, 3, 11}}, []at{{0, 1}, {1, 2}, {1, 3}, {0, 4}, {0, 9}, {1, 11}}},
		{"at one place", [][]int64{{1, 2}, {1, 2}}, []at{{0, 1}, {1, 1}, {0, 2}, {1, 2}}},
		{"out of order", [][]int64{{7, 1}, {3}}, []at{{1, 3}, {0, 7}, {0, 1}}},
	} {
		var tracks []*Track
		for _, offsets := range c.offsets {
			track := &Track{}
			for _, offset := range offsets {
				track.Add(Row{Offset: offset, Size: 1})
			}
			tracks = append(tracks, track)
		}
		var got []at
		for i, r := range InFileOrder(tracks) {
			got = append(got, at{i, r.Offset})
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
		for range InFileOrder(tracks) {
			break // an early end is no panic
		}
	}
}
