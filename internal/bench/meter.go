package bench

import "time"

// meter reads what a process used, and keeps the last figures once it has ended: time only
// grows, also where that of a child is gone with it.
type meter struct {
	process
	known, ended bool
	cpu          time.Duration
	peak         int64 // bytes
}

func (m *meter) read() (cpu time.Duration) {
	cpu, peak, ok := m.usage()
	m.known, m.ended = m.known || ok, !ok
	m.cpu, m.peak = max(m.cpu, cpu), max(m.peak, peak)
	return m.cpu
}

// since is what was used after a reading; nil if nothing is known of the process.
func (m *meter) since(before time.Duration) *Usage {
	if !m.known {
		return nil
	}
	return &Usage{CPU: (m.read() - before).Seconds(), Peak: m.peak}
}
