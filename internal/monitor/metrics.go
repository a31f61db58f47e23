package monitor

import (
	"math"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/rtmptool/rtmptool/internal/status"
)

// newRegistry returns a registry of the server's metrics and those of the process.
func newRegistry(sampler *status.Sampler) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(
		newCollector(sampler),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewBuildInfoCollector(),
	)
	return r
}

// collector makes metrics of a snapshot that it takes when it is asked. There is
// nothing of single streams: their names have no bound, and may be secrets.
type collector struct {
	sampler *status.Sampler
	metrics []metric
}

// metric is a number of a snapshot.
type metric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*status.Snapshot) float64 // NaN if it is unknown
}

func newCollector(sampler *status.Sampler) *collector {
	c := &collector{sampler: sampler}
	add := func(kind prometheus.ValueType, name, help string, labels prometheus.Labels, value func(*status.Snapshot) float64) {
		desc := prometheus.NewDesc("rtmptool_"+name, help, nil, labels)
		c.metrics = append(c.metrics, metric{desc, kind, value})
	}
	gauge := func(name, help string, value func(*status.Snapshot) float64) {
		add(prometheus.GaugeValue, name, help, nil, value)
	}
	counter := func(name, help string, value func(*status.Snapshot) uint64) {
		add(prometheus.CounterValue, name, help, nil, func(s *status.Snapshot) float64 { return float64(value(s)) })
	}
	recordings := func(state string, value func(*status.Snapshot) int) {
		add(prometheus.GaugeValue, "recordings", "Recordings by state: waiting for a keyframe, recording, finishing (the stream is over, the file not closed yet), disabled by an error.",
			prometheus.Labels{"state": state}, func(s *status.Snapshot) float64 { return float64(value(s)) })
	}

	gauge("streams", "Streams that are being published.", func(s *status.Snapshot) float64 { return float64(s.Live) })
	gauge("viewers", "Viewers that watch a stream or wait for it.", func(s *status.Snapshot) float64 { return float64(s.Viewers) })
	gauge("connections", "RTMP connections.", func(s *status.Snapshot) float64 { return float64(s.Connections) })
	counter("received_bytes_total", "Bytes of audio and video received from publishers.", func(s *status.Snapshot) uint64 { return s.Received })
	counter("sent_bytes_total", "Bytes sent to RTMP connections, after the handshake.", func(s *status.Snapshot) uint64 { return s.Sent })
	recordings("waiting", func(s *status.Snapshot) int { return s.Recordings.Waiting })
	recordings("recording", func(s *status.Snapshot) int { return s.Recordings.Recording })
	recordings("finishing", func(s *status.Snapshot) int { return s.Recordings.Finishing })
	recordings("disabled", func(s *status.Snapshot) int { return s.Recordings.Disabled })
	gauge("recording_durable_lag_seconds", "Age of the oldest byte in any recording that is written but not safe from a power cut; 0 if there is none.",
		func(s *status.Snapshot) float64 { return s.Lag.Seconds() })
	gauge("recording_disk_free_bytes", "Bytes that recordings can still take of their file system; absent if that is unknown.", diskFree)
	counter("viewer_skipped_packets_total", "Packets that viewers did not get because they were too slow.", func(s *status.Snapshot) uint64 { return s.ViewerSkipped })
	counter("recording_skipped_packets_total", "Packets that recordings lack because the disk was too slow.", func(s *status.Snapshot) uint64 { return s.RecordingSkipped })
	counter("connections_refused_total", "Connections refused because --max-connections was reached.", func(s *status.Snapshot) uint64 { return s.RefusedConnections })
	counter("publishers_refused_total", "Publishers refused because the name was taken or not valid, or --max-publishers was reached.", func(s *status.Snapshot) uint64 { return s.RefusedPublishers })
	counter("clients_denied_total", "Attempts to publish or play that --publish-keys or --play-keys did not allow.", func(s *status.Snapshot) uint64 { return s.Denied })
	counter("recordings_disabled_total", "How often an error disabled a recording.", func(s *status.Snapshot) uint64 { return s.Disabled })
	gauge("last_error_timestamp_seconds", "When an error last disabled a recording or kept a listener from accepting, in seconds since 1970; 0 if none did.", lastError)
	return c
}

func diskFree(s *status.Snapshot) float64 {
	if !s.HasDisk {
		return math.NaN()
	}
	return float64(s.DiskFree)
}

func lastError(s *status.Snapshot) float64 {
	if s.LastFailure.Err == nil {
		return 0
	}
	return float64(s.LastFailure.At.UnixMilli()) / 1000
}

// Describe is part of prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, m := range c.metrics {
		out <- m.desc
	}
}

// Collect is part of prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	snap := c.sampler.Snapshot()
	for _, m := range c.metrics {
		if v := m.value(&snap); !math.IsNaN(v) {
			out <- prometheus.MustNewConstMetric(m.desc, m.kind, v)
		}
	}
}
