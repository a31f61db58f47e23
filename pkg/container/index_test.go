package container

import (
	"math/rand"
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
			r.CTS = int32(random.Intn(3) * random.Intn(1<<20))
			r.Key = random.Intn(30) == 0
			want = append(want, r)
			track.Add(r)
			r.Offset = r.End() + int64(random.Intn(2)*random.Intn(1000))
			r.DTS += int64(1 + random.Intn(2)*random.Intn(100000))
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
