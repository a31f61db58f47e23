package server

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/rs/zerolog"

	"github.com/rtmptool/rtmptool/internal/live"
	"github.com/rtmptool/rtmptool/pkg/amf"
	"github.com/rtmptool/rtmptool/pkg/rtmp"
)

// What we say of ourselves in the answer to connect. The version string is the
// one that peers expect of a media server.
const (
	serverVersion = "FMS/3,0,1,123"
	capabilities  = 31

	// Enhanced RTMP: every codec is forwarded, with multitrack, ModEx and the
	// nanosecond offset (E-RTMP "Enhancing NetConnection connect Command").
	canForward    = 4
	capsEx        = 2 | 4 | 8
	videoFunction = 1 | 2 | 4
)

// command answers one command. Commands that need no answer and unknown ones are
// answered too where the client waits: some encoders do for any call.
func (s *session) command(m rtmp.Message) error {
	cmd, err := rtmp.ParseCommand(m)
	if err != nil {
		log := s.log()
		log.Debug().Err(err).Msg("dropped a command")
		return nil
	}
	if !s.connected && cmd.Name != "connect" {
		return s.violation("command %q before connect", cmd.Name[:min(len(cmd.Name), maxLogged)])
	}
	switch cmd.Name {
	case "connect":
		return s.connect(cmd)
	case "createStream":
		return s.createStream(cmd)
	case "publish":
		return s.publish(m.StreamID, cmd)
	case "play":
		return s.play(m.StreamID, cmd, cmd.Arg(0))
	case "play2":
		name, ok := amf.Get(cmd.Arg(0), "streamName")
		if !ok {
			return s.status(m.StreamID, rtmp.LevelError, rtmp.CodePlayFailed, "play2 without a streamName")
		}
		return s.play(m.StreamID, cmd, name)
	case "pause", "pauseRaw":
		return s.pause(m.StreamID, cmd)
	case "seek":
		return s.status(m.StreamID, rtmp.LevelError, rtmp.CodeSeekFailed, "a live stream cannot be sought in")
	case "receiveAudio", "receiveVideo":
		s.receive(m.StreamID, cmd)
		return nil
	case "FCPublish":
		return s.fcPublish(cmd)
	case "FCUnpublish":
		return s.fcUnpublish(m.StreamID, cmd)
	case "closeStream":
		s.deleteStream(m.StreamID)
		return nil
	case "deleteStream":
		// GStreamer names the stream instead of its id.
		id, ok := cmd.Arg(0).(float64)
		if !ok {
			id = float64(m.StreamID)
		}
		s.deleteStream(uint32(id))
		return nil
	case "getStreamLength", "_checkbw":
		return s.reply(cmd, nil, 0.0)
	case "onStatus", "_result", "_error":
		return nil // an answer to nothing
	}
	return s.reply(cmd, nil, nil)
}

// reply sends the result of a call, unless the client expects none.
func (s *session) reply(cmd rtmp.Command, args ...any) error {
	if cmd.Transaction == 0 {
		return nil
	}
	return s.rtmp.WriteMessages(rtmp.Result(cmd.Transaction, args...).Message(0))
}

func (s *session) status(id uint32, level, code, description string) error {
	return s.rtmp.WriteMessages(rtmp.OnStatus(id, rtmp.StatusInfo(level, code, description)))
}

func (s *session) connect(cmd rtmp.Command) error {
	if s.connected {
		info := rtmp.StatusInfo(rtmp.LevelError, rtmp.CodeConnectFailed, "the connection is connected already")
		refusal := rtmp.Command{Name: "_error", Transaction: cmd.Transaction, Args: []any{info}}
		return errors.Join(s.rtmp.WriteMessages(refusal.Message(0)), errRefused)
	}
	s.connected = true
	text := func(key string) string {
		v, _ := amf.Get(cmd.Object, key)
		t, _ := amf.String(v)
		return t
	}
	s.app, s.version = text("app"), text("flashVer")
	s.version = strings.Map(printable, s.version[:min(len(s.version), maxLogged)])
	if s.tcURL = text("tcUrl"); s.tcURL == "" {
		s.tcURL = text("tcurl")
	}
	encoding := 0.0
	if v, _ := amf.Get(cmd.Object, "objectEncoding"); v == 3.0 {
		encoding = 3
	}
	forward := amf.Object{{Key: "*", Value: float64(canForward)}}
	enhanced := amf.Object{
		{Key: "fourCcList", Value: amf.StrictArray{"*"}},
		{Key: "videoFourCcInfoMap", Value: forward},
		{Key: "audioFourCcInfoMap", Value: forward},
		{Key: "capsEx", Value: float64(capsEx)},
		{Key: "videoFunction", Value: float64(videoFunction)},
	}
	properties := append(amf.Object{
		{Key: "fmsVer", Value: serverVersion},
		{Key: "capabilities", Value: float64(capabilities)},
		{Key: "mode", Value: 1.0},
	}, enhanced...)
	info := append(rtmp.StatusInfo(rtmp.LevelStatus, rtmp.CodeConnectSuccess, "Connection succeeded."),
		amf.Property{Key: "objectEncoding", Value: encoding})
	info = append(info, enhanced...)
	return s.rtmp.WriteMessages(rtmp.WindowAckSize(), rtmp.SetPeerBandwidth(), rtmp.SetChunkSize(),
		rtmp.Result(cmd.Transaction, properties, info).Message(0))
}

// printable replaces what a reader of the log might obey instead of show.
func printable(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return '?'
}

func (s *session) createStream(cmd rtmp.Command) error {
	if len(s.streams) >= maxMessageStreams {
		refusal := rtmp.Command{Name: "_error", Transaction: cmd.Transaction, Args: []any{
			rtmp.StatusInfo(rtmp.LevelError, rtmp.CodeFailed, fmt.Sprintf("at most %d streams on a connection", maxMessageStreams))}}
		return s.rtmp.WriteMessages(refusal.Message(0))
	}
	id := s.nextID
	s.nextID++
	s.streams[id] = &messageStream{id: id}
	return s.reply(cmd, nil, float64(id))
}

// messageStreamFor finds the stream that a publish or play command means. Some
// encoders never create one, or send the command on stream 0.
func (s *session) messageStreamFor(id uint32) *messageStream {
	if id == 0 {
		if len(s.streams) > 0 {
			return s.first(func(ms *messageStream) bool { return !ms.busy() })
		}
		id = 1
	}
	if ms, ok := s.streams[id]; ok {
		return ms
	}
	given := id == 1 || id < s.nextID // closeStream ends a stream, but its id may be used again
	if !given || len(s.streams) >= maxMessageStreams {
		return nil
	}
	s.nextID = max(s.nextID, 2)
	s.streams[id] = &messageStream{id: id}
	return s.streams[id]
}

func (s *session) fcPublish(cmd rtmp.Command) error {
	if err := s.reply(cmd, nil, nil); err != nil {
		return err
	}
	name, _ := amf.String(cmd.Arg(0))
	info := rtmp.StatusInfo(rtmp.LevelStatus, rtmp.CodePublishStart, name)
	if target, err := rtmp.ParseTarget(s.app, s.tcURL, name); err == nil {
		if why := s.denied("publish", s.server.config.Publish, target); why != "" {
			info = rtmp.StatusInfo(rtmp.LevelError, rtmp.CodePublishDenied, why)
		}
	}
	notice := rtmp.Command{Name: "onFCPublish", Transaction: cmd.Transaction, Args: []any{info}}
	return s.rtmp.WriteMessages(notice.Message(0))
}

func (s *session) publish(id uint32, cmd rtmp.Command) error {
	ms := s.messageStreamFor(id)
	if ms == nil || ms.busy() {
		return s.status(id, rtmp.LevelError, rtmp.CodePublishBadName, "the message stream is in use or does not exist")
	}
	key, _ := amf.String(cmd.Arg(0))
	target, err := rtmp.ParseTarget(s.app, s.tcURL, key)
	if err != nil {
		return s.refusePublisher(ms.id, err.Error())
	}
	if why := s.denied("publish", s.server.config.Publish, target); why != "" {
		return s.refuse(ms.id, rtmp.CodePublishDenied, why)
	}
	publication, err := s.server.publish(s, target.Name)
	if err != nil {
		return s.refusePublisher(ms.id, fmt.Sprintf("%s: %v", target.Name, err))
	}
	ms.pub = s.newPublisher(publication)
	s.rtmp.AllowMedia()
	s.conn.keepAlive(s.server.config.PublishTimeout)
	ms.pub.log.Info().Str("client", s.version).Msg("publishing")
	if err := s.rtmp.WriteMessages(
		rtmp.UserControl(rtmp.EventStreamBegin, ms.id),
		rtmp.OnStatus(ms.id, append(rtmp.StatusInfo(rtmp.LevelStatus, rtmp.CodePublishStart, target.Name+" is now published"),
			amf.Property{Key: "details", Value: target.Name}, amf.Property{Key: "clientid", Value: "rtmptool"}))); err != nil {
		return err
	}
	return s.replayEarly()
}

// replayEarly publishes what came before the publish command.
func (s *session) replayEarly() error {
	early := s.early
	s.early, s.earlyBytes = nil, 0
	for _, m := range early {
		if err := s.media(m); err != nil {
			return err
		}
	}
	return nil
}

// refusePublisher tells a publisher why it may not publish, before any success:
// after one that is taken back OBS would try for ever.
func (s *session) refusePublisher(id uint32, why string) error {
	s.server.count(func(t *Totals) { t.RefusedPublishers++ })
	s.server.warnings.warn(s.log(), func(e *zerolog.Event) { e.Str("reason", why).Msg("refused a publisher") })
	return s.refuse(id, rtmp.CodePublishBadName, why)
}

// refuse says why, and ends the connection unless it has other streams.
func (s *session) refuse(id uint32, code, why string) error {
	err := s.status(id, rtmp.LevelError, code, why)
	if s.first((*messageStream).busy) == nil {
		err = errors.Join(err, errRefused)
	}
	return err
}

func (s *session) fcUnpublish(id uint32, cmd rtmp.Command) error {
	ms := s.publishingStream(id, cmd.Arg(0))
	if ms != nil {
		id = ms.id
		s.stop(ms)
	}
	notice := rtmp.Command{Name: "onFCUnpublish", Args: []any{rtmp.StatusInfo(rtmp.LevelStatus, rtmp.CodeUnpublish, "")}}
	if err := s.rtmp.WriteMessages(notice.Message(0)); err != nil {
		return err
	}
	if err := s.reply(cmd, nil, nil); err != nil || ms == nil {
		return err
	}
	return s.status(id, rtmp.LevelStatus, rtmp.CodeUnpublish, "publishing ended")
}

// publishingStream finds the stream that a command ends, by its id or by the name
// that is published.
func (s *session) publishingStream(id uint32, name any) *messageStream {
	if ms := s.streams[id]; ms != nil && ms.publishes() {
		return ms
	}
	key, _ := amf.String(name)
	target, _ := rtmp.ParseTarget(s.app, s.tcURL, key) // no name matches no stream
	if ms := s.first(func(ms *messageStream) bool { return ms.publishes() && ms.pub.name() == target.Name }); ms != nil {
		return ms
	}
	if s.publishing.Load() > 1 {
		return nil
	}
	return s.first((*messageStream).publishes)
}

func (s *session) deleteStream(id uint32) {
	ms := s.streams[id]
	if ms == nil && id == 0 && len(s.streams) == 1 { // the only one is meant
		ms = s.first(func(*messageStream) bool { return true })
	}
	if ms == nil {
		return
	}
	s.stop(ms)
	if ms.viewer != nil {
		ms.viewer.wait()
	}
	delete(s.streams, ms.id)
}

func (s *session) play(id uint32, cmd rtmp.Command, name any) error {
	ms := s.messageStreamFor(id)
	if ms == nil || ms.pub != nil {
		return s.status(id, rtmp.LevelError, rtmp.CodePlayFailed, "the message stream is in use or does not exist")
	}
	key, _ := amf.String(name)
	target, err := rtmp.ParseTarget(s.app, s.tcURL, key)
	if err != nil {
		return s.refuse(ms.id, rtmp.CodePlayNotFound, err.Error())
	}
	if why := s.denied("play", s.server.config.Play, target); why != "" {
		return s.refuse(ms.id, rtmp.CodePlayFailed, why)
	}
	if ms.viewer != nil { // another stream on the same message stream
		ms.viewer.stop()
		ms.viewer.wait()
	}
	messages := []rtmp.Message{rtmp.UserControl(rtmp.EventStreamBegin, ms.id)}
	if reset, ok := cmd.Arg(3).(bool); reset || !ok {
		messages = append(messages, rtmp.OnStatus(ms.id, rtmp.StatusInfo(rtmp.LevelStatus, rtmp.CodePlayReset, "playing "+target.Name)))
	}
	access := rtmp.Message{Type: rtmp.TypeDataAMF0, StreamID: ms.id, Body: amf.Append(nil, "|RtmpSampleAccess", true, true)}
	messages = append(messages, rtmp.OnStatus(ms.id, rtmp.StatusInfo(rtmp.LevelStatus, rtmp.CodePlayStart, "playing "+target.Name)), access)
	if err := s.rtmp.WriteMessages(messages...); err != nil {
		return err
	}
	if s.publishing.Load() == 0 { // whose limit is the shorter one
		s.conn.keepAlive(s.server.config.ReadTimeout)
	}
	ms.viewer = s.startViewer(ms, target.Name)
	return nil
}

// pause stops a viewer; when it goes on it begins at a keyframe.
func (s *session) pause(id uint32, cmd rtmp.Command) error {
	ms := s.streams[id]
	if ms == nil || ms.viewer == nil {
		return nil
	}
	if paused, _ := cmd.Arg(0).(bool); paused {
		ms.viewer.stop()
		ms.viewer.wait()
		return s.rtmp.WriteMessages(
			rtmp.OnStatus(id, rtmp.StatusInfo(rtmp.LevelStatus, rtmp.CodePause, "paused")),
			rtmp.UserControl(rtmp.EventStreamEOF, id))
	}
	err := s.rtmp.WriteMessages(
		rtmp.OnStatus(id, rtmp.StatusInfo(rtmp.LevelStatus, rtmp.CodeUnpause, "playing")),
		rtmp.UserControl(rtmp.EventStreamBegin, id))
	if done(ms.viewer.done) {
		ms.viewer = s.startViewer(ms, ms.viewer.name)
	}
	return err
}

func (s *session) receive(id uint32, cmd rtmp.Command) {
	ms := s.streams[id]
	on, ok := cmd.Arg(0).(bool)
	if ms == nil || !ok {
		return
	}
	if cmd.Name == "receiveAudio" {
		ms.noAudio = !on
	} else {
		ms.noVideo = !on
	}
	if ms.viewer != nil {
		ms.viewer.leaveOut(ms.noAudio, ms.noVideo)
	}
}

// publish begins a publication for a session, with its recorder. A session that
// begins to publish while the server shuts down is refused.
func (s *Server) publish(sess *session, name string) (*live.Publication, error) {
	publication, err := s.streams.Publish(name, sess.evict)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		publication.Close()
		return nil, errClosing
	}
	s.publishers.Add(1)
	sess.publishing.Add(1)
	s.startRecorder(publication)
	return publication, nil
}
