package status

import (
	"encoding/json"
	"math"
	"time"

	"github.com/rtmptool/rtmptool/internal/record"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// Schema is the version of the JSON form. It rises when a field changes its
// meaning or goes; new fields do not raise it.
const Schema = 1

// recordingOff is the state of a stream that nobody records.
const recordingOff record.State = "off"

// The JSON form of a snapshot: docs/formats/status-json.md. Durations are in
// seconds.
type (
	jsonSnapshot struct {
		Schema    int          `json:"schema"`
		State     State        `json:"state"`
		Time      time.Time    `json:"time"`
		Started   time.Time    `json:"started"`
		Streams   []jsonStream `json:"streams"`
		Totals    jsonTotals   `json:"totals"`
		DiskFree  *uint64      `json:"disk_free,omitempty"`
		LastError *jsonError   `json:"last_error,omitempty"`
	}
	jsonStream struct {
		Name      string        `json:"name"`
		Live      bool          `json:"live"`
		Since     time.Time     `json:"since,omitzero"`
		Video     string        `json:"video,omitempty"`
		Audio     string        `json:"audio,omitempty"`
		Bitrate   int64         `json:"bitrate"`
		Bytes     uint64        `json:"bytes"`
		Viewers   int           `json:"viewers"`
		Recording jsonRecording `json:"recording"`
	}
	jsonRecording struct {
		State      record.State `json:"state"`
		Path       string       `json:"path,omitempty"`
		Duration   float64      `json:"duration"`
		Bytes      int64        `json:"bytes"`
		Durable    int64        `json:"durable_bytes"`
		DurableLag float64      `json:"durable_lag"`
		Skipped    uint64       `json:"skipped_packets"`
		DiskLeft   float64      `json:"disk_left,omitempty"`
		Error      string       `json:"error,omitempty"`
	}
	jsonTotals struct {
		Streams            int            `json:"streams"`
		Viewers            int            `json:"viewers"`
		Connections        int            `json:"connections"`
		Received           uint64         `json:"received_bytes"`
		Sent               uint64         `json:"sent_bytes"`
		Recordings         jsonRecordings `json:"recordings"`
		DurableLag         float64        `json:"durable_lag"`
		ViewerSkipped      uint64         `json:"viewer_skipped_packets"`
		RecordingSkipped   uint64         `json:"recording_skipped_packets"`
		RefusedConnections uint64         `json:"refused_connections"`
		RefusedPublishers  uint64         `json:"refused_publishers"`
		Denied             uint64         `json:"denied_clients"`
		Disabled           uint64         `json:"disabled_recordings"`
	}
	jsonRecordings struct {
		Waiting   int `json:"waiting"`
		Recording int `json:"recording"`
		Finishing int `json:"finishing"`
		Disabled  int `json:"disabled"`
	}
	jsonError struct {
		Time   time.Time `json:"time"`
		Stream string    `json:"stream,omitempty"`
		Text   string    `json:"text"`
	}
)

// Health is a snapshot in short, without the names of streams.
type Health struct {
	Status     string         `json:"status"` // ok; degraded: something is not recorded; stopping
	Streams    int            `json:"streams"`
	Viewers    int            `json:"viewers"`
	Recordings jsonRecordings `json:"recordings"`
	LastError  *jsonError     `json:"last_error,omitempty"`
}

// Health tells whether all is well.
func (snap *Snapshot) Health() Health {
	h := Health{Status: "ok", Streams: snap.Live, Viewers: snap.Viewers, Recordings: snap.jsonRecordings(), LastError: snap.jsonError()}
	switch {
	case snap.State != Serving:
		h.Status = string(snap.State)
	case snap.Recordings.Disabled > 0:
		h.Status = "degraded"
	}
	if h.LastError != nil {
		h.LastError.Stream = ""
	}
	return h
}

// MarshalJSON writes schema 1.
func (snap *Snapshot) MarshalJSON() ([]byte, error) {
	j := jsonSnapshot{
		Schema: Schema, State: snap.State, Time: utc(snap.At), Started: utc(snap.Started),
		Streams: make([]jsonStream, 0, len(snap.Streams)), Totals: snap.jsonTotals(), LastError: snap.jsonError(),
	}
	for i := range snap.Streams {
		j.Streams = append(j.Streams, snap.Streams[i].json())
	}
	if snap.HasDisk {
		j.DiskFree = &snap.DiskFree
	}
	return json.Marshal(j)
}

func (snap *Snapshot) jsonError() *jsonError {
	f := snap.LastFailure
	if f.Err == nil {
		return nil
	}
	return &jsonError{Time: utc(f.At), Stream: f.Stream, Text: reason(f.Err)}
}

func (snap *Snapshot) jsonRecordings() jsonRecordings {
	r := snap.Recordings
	return jsonRecordings{Waiting: r.Waiting, Recording: r.Recording, Finishing: r.Finishing, Disabled: r.Disabled}
}

func (snap *Snapshot) jsonTotals() jsonTotals {
	return jsonTotals{
		Streams: snap.Live, Viewers: snap.Viewers, Connections: snap.Connections,
		Received: snap.Received, Sent: snap.Sent,
		Recordings: snap.jsonRecordings(), DurableLag: seconds(snap.Lag),
		ViewerSkipped: snap.ViewerSkipped, RecordingSkipped: snap.RecordingSkipped,
		RefusedConnections: snap.RefusedConnections, RefusedPublishers: snap.RefusedPublishers, Denied: snap.Denied,
		Disabled: snap.Disabled,
	}
}

func (s *Stream) json() jsonStream {
	return jsonStream{
		Name: s.Name, Live: s.Live, Since: utc(s.Since), Video: codecName(s.Video), Audio: codecName(s.Audio),
		Bitrate: int64(math.Round(s.Rate * 8)), Bytes: s.Bytes, Viewers: s.Viewers, Recording: s.jsonRecording(),
	}
}

func (s *Stream) jsonRecording() jsonRecording {
	r := s.Recording
	if r == nil {
		return jsonRecording{State: recordingOff}
	}
	j := jsonRecording{
		State: r.State(), Path: r.Path, Duration: seconds(r.Duration), Bytes: r.Bytes, Durable: r.Durable,
		DurableLag: seconds(s.Lag), Skipped: r.Skipped,
	}
	if s.recording() {
		j.DiskLeft = seconds(s.DiskLeft)
	}
	if s.failed() {
		j.Error = reason(r.Err)
	}
	return j
}

func codecName(c media.Codec) string {
	if c == 0 {
		return ""
	}
	return c.String()
}

// utc is a time as it is written, in milliseconds.
func utc(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

func seconds(d time.Duration) float64 { return float64(d.Milliseconds()) / 1000 }
