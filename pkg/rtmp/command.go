package rtmp

import (
	"fmt"

	"github.com/rtmptool/rtmptool/pkg/amf"
)

// Command is a remote call or its answer (RTMP 7.1.1, 7.2).
type Command struct {
	Name        string
	Transaction float64 // 0: no answer is expected
	Object      any     // the command object, nil if there is none
	Args        []any
}

// ParseCommand reads a command message of either AMF version. Missing arguments
// are no error: senders leave them out.
func ParseCommand(m Message) (Command, error) {
	values, err := parseValues(m)
	if len(values) == 0 && err == nil {
		err = fmt.Errorf("empty")
	}
	if err != nil {
		return Command{}, fmt.Errorf("rtmp: command message: %w", err)
	}
	name, ok := values[0].(string)
	if !ok {
		return Command{}, fmt.Errorf("rtmp: command message begins with %T, want a name", values[0])
	}
	cmd := Command{Name: name}
	if len(values) > 1 {
		cmd.Transaction, _ = amf.Number(values[1])
	}
	if len(values) > 2 {
		cmd.Object = values[2]
	}
	if len(values) > 3 {
		cmd.Args = values[3:]
	}
	return cmd, nil
}

func parseValues(m Message) ([]any, error) {
	if m.Type == TypeCommandAMF3 || m.Type == TypeDataAMF3 {
		return amf.ParseMessage3(m.Body)
	}
	return amf.Parse(m.Body)
}

// Arg returns argument i, or nil where it was left out.
func (c Command) Arg(i int) any {
	if i < len(c.Args) {
		return c.Args[i]
	}
	return nil
}

// Message encodes the command in AMF0, which every peer reads.
func (c Command) Message(streamID uint32) Message {
	body := amf.Append(nil, c.Name, c.Transaction, c.Object)
	return Message{Type: TypeCommandAMF0, StreamID: streamID, Body: amf.Append(body, c.Args...)}
}

// Result answers a call: a properties object and an information object, either
// may be nil.
func Result(transaction float64, args ...any) Command {
	cmd := Command{Name: "_result", Transaction: transaction}
	if len(args) > 0 {
		cmd.Object, cmd.Args = args[0], args[1:]
	}
	return cmd
}

// Levels of a status object.
const (
	LevelStatus = "status"
	LevelError  = "error"
)

// Codes of status objects.
const (
	CodeConnectSuccess  = "NetConnection.Connect.Success"
	CodeConnectFailed   = "NetConnection.Connect.Failed"
	CodeConnectRejected = "NetConnection.Connect.Rejected"
	CodePublishStart    = "NetStream.Publish.Start"
	CodePublishBadName  = "NetStream.Publish.BadName"
	CodePublishDenied   = "NetStream.Publish.Denied"
	CodeUnpublish       = "NetStream.Unpublish.Success"
	CodePlayReset       = "NetStream.Play.Reset"
	CodePlayStart       = "NetStream.Play.Start"
	CodePlayFailed      = "NetStream.Play.Failed"
	CodePlayNotFound    = "NetStream.Play.StreamNotFound"
	CodePlayUnpublish   = "NetStream.Play.UnpublishNotify"
	CodePlayPublish     = "NetStream.Play.PublishNotify"
	CodePause           = "NetStream.Pause.Notify"
	CodeUnpause         = "NetStream.Unpause.Notify"
	CodeSeekFailed      = "NetStream.Seek.Failed"
	CodeFailed          = "NetStream.Failed"
)

// StatusInfo is the information object of onStatus and of _error.
func StatusInfo(level, code, description string) amf.Object {
	return amf.Object{{Key: "level", Value: level}, {Key: "code", Value: code}, {Key: "description", Value: description}}
}

// OnStatus reports the state of a message stream.
func OnStatus(streamID uint32, info amf.Object) Message {
	return Command{Name: "onStatus", Args: []any{info}}.Message(streamID)
}
