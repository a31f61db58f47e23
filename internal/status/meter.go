package status

import "time"

const (
	rateOver    = 5 * time.Second        // that a bit rate is taken over
	sampleEvery = 900 * time.Millisecond // at least; those who ask once a second do so with a jitter
)

// meter measures a rate over the last few samples.
type meter struct {
	since   time.Time // of the publication
	samples []sample
}

type sample struct {
	at    time.Time
	bytes uint64
}

// newMeter makes a meter that has begun with the publication.
func newMeter(since time.Time) *meter {
	m := &meter{since: since}
	if !since.IsZero() {
		m.samples = []sample{{at: since}}
	}
	return m
}

// add takes a sample and returns the rate in bytes a second. It may be called more
// often than samples are kept.
func (m *meter) add(now time.Time, bytes uint64) float64 {
	if n := len(m.samples); n == 0 || now.Sub(m.samples[n-1].at) >= sampleEvery {
		m.samples = append(m.samples, sample{now, bytes})
	}
	for len(m.samples) > 1 && now.Sub(m.samples[1].at) >= rateOver {
		m.samples = m.samples[1:]
	}
	first := m.samples[0]
	if seconds := now.Sub(first.at).Seconds(); seconds > 0 {
		return float64(bytes-first.bytes) / seconds
	}
	return 0
}
