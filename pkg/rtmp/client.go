package rtmp

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/url"
	"strings"

	"github.com/rtmptool/rtmptool/pkg/amf"
)

// Address is an rtmp:// or rtmps:// URL taken apart.
type Address struct {
	Host   string // with the port
	App    string // every path element but the last
	Key    string // the last path element and the query
	Secure bool   // over TLS
}

// ports are those of URLs that name none.
var ports = map[string]string{"rtmp": "1935", "rtmps": "443"}

// ParseAddress reads rtmp://host[:port]/app[/instance]/key[?query], or rtmps. Escapes
// stay as they are, as they do in what other clients send.
func ParseAddress(s string) (Address, error) {
	rest, _, _ := strings.Cut(s, "#")
	rest, query, _ := strings.Cut(rest, "?")
	scheme, rest, _ := strings.Cut(rest, "://")
	host, path, _ := strings.Cut(rest, "/")
	u, err := url.Parse(scheme + "://" + host)
	if err != nil {
		return Address{}, fmt.Errorf("rtmp: address: %w", err)
	}
	port, known := ports[u.Scheme]
	if !known || u.Host == "" {
		return Address{}, fmt.Errorf("rtmp: address %q: want rtmp://host/app/key", s)
	}
	a := Address{Host: u.Host, Secure: u.Scheme == "rtmps"}
	if u.Port() == "" {
		a.Host = net.JoinHostPort(u.Hostname(), port)
	}
	path = strings.Trim(path, "/")
	if i := strings.LastIndex(path, "/"); i >= 0 {
		a.App, a.Key = path[:i], path[i+1:]
	} else {
		a.App = path
	}
	if query != "" {
		a.Key += "?" + query
	}
	return a, nil
}

// tcURL is the address without its key, as connect tells it.
func (a Address) tcURL() string {
	scheme := "rtmp"
	if a.Secure {
		scheme = "rtmps"
	}
	return scheme + "://" + strings.TrimSuffix(a.Host, ":"+ports[scheme]) + "/" + a.App
}

// ErrRefused is what a server's refusal wraps.
var ErrRefused = errors.New("refused by the server")

// fourCCs are the codecs that a client takes (Enhanced RTMP): some servers (MediaMTX) send viewers what they
// name, and do not know "*".
var fourCCs = amf.StrictArray{"avc1", "hvc1", "av01", "vp09", "mp4a", "Opus", "fLaC", "ac-3", "ec-3", ".mp3"}

// Client is the client's side of a connection with one message stream.
type Client struct {
	*Conn
	StreamID    uint32
	address     Address
	transaction float64
}

// NewClient makes a client of a fresh connection to the address.
func NewClient(c *Conn, a Address) *Client {
	c.AllowMedia()
	return &Client{Conn: c, address: a}
}

// Publish goes through handshake, connect, createStream and publish, and returns
// when the server has accepted the stream.
func (c *Client) Publish() error {
	if err := c.open(Command{Name: "releaseStream", Args: []any{c.address.Key}}, Command{Name: "FCPublish", Args: []any{c.address.Key}}); err != nil {
		return err
	}
	publish := Command{Name: "publish", Transaction: c.next(), Args: []any{c.address.Key, "live"}}
	return c.request(publish, CodePublishStart)
}

// Play goes through handshake, connect, createStream and play, and returns when
// the server has accepted. Media follows once the stream is there.
func (c *Client) Play() error {
	if err := c.open(); err != nil {
		return err
	}
	const live = -2000.0 // what FFmpeg sends: a live stream, else a recorded one
	return c.request(Command{Name: "play", Transaction: c.next(), Args: []any{c.address.Key, live}}, CodePlayStart)
}

// open does what comes before publish and play. The extra commands need no
// answer; they go out with createStream.
func (c *Client) open(extra ...Command) error {
	if err := c.Connect(); err != nil {
		return err
	}
	connect := Command{Name: "connect", Transaction: c.next(), Object: amf.Object{
		{Key: "app", Value: c.address.App},
		{Key: "type", Value: "nonprivate"},
		{Key: "flashVer", Value: "FMLE/3.0 (compatible; rtmptool)"},
		{Key: "tcUrl", Value: c.address.tcURL()},
		{Key: "fourCcList", Value: fourCCs},
	}}
	if err := c.WriteMessages(connect.Message(0)); err != nil {
		return err
	}
	if _, err := c.await(connect.Transaction); err != nil {
		return err
	}
	messages := []Message{WindowAckSize(), SetChunkSize()}
	for _, cmd := range extra {
		cmd.Transaction = c.next()
		messages = append(messages, cmd.Message(0))
	}
	create := Command{Name: "createStream", Transaction: c.next()}
	if err := c.WriteMessages(append(messages, create.Message(0))...); err != nil {
		return err
	}
	result, err := c.await(create.Transaction)
	if err != nil {
		return err
	}
	id, ok := amf.Number(result.Arg(0))
	if !ok || id < 1 || id > math.MaxUint32 {
		return fmt.Errorf("rtmp: createStream returned %v, want a stream id", result.Arg(0))
	}
	c.StreamID = uint32(id)
	return nil
}

func (c *Client) next() float64 {
	c.transaction++
	return c.transaction
}

// await reads until the answer of a transaction comes.
func (c *Client) await(transaction float64) (Command, error) {
	return c.readCommand(func(cmd Command) bool {
		return cmd.Transaction == transaction && (cmd.Name == "_result" || cmd.Name == "_error")
	})
}

// request sends a command on the message stream and reads until the server
// reports the code or an error.
func (c *Client) request(call Command, code string) error {
	if err := c.WriteMessages(call.Message(c.StreamID)); err != nil {
		return err
	}
	_, err := c.readCommand(func(cmd Command) bool {
		got, _ := amf.Get(cmd.Arg(0), "code")
		return cmd.Name == "onStatus" && got == code ||
			cmd.Name == "_error" && cmd.Transaction == call.Transaction
	})
	return err
}

// readCommand reads until a command is wanted. A wanted _error is a refusal, and
// so is any status of level error. Servers may refuse the calls that need no
// answer.
func (c *Client) readCommand(wanted func(Command) bool) (Command, error) {
	for {
		m, err := c.ReadMessage()
		if err != nil {
			return Command{}, err
		}
		if m.Type != TypeCommandAMF0 && m.Type != TypeCommandAMF3 {
			continue
		}
		cmd, err := ParseCommand(m)
		if err != nil {
			return Command{}, err
		}
		level, _ := amf.Get(cmd.Arg(0), "level")
		switch ok := wanted(cmd); {
		case ok && cmd.Name == "_error", cmd.Name == "onStatus" && level == LevelError:
			return Command{}, refusal(cmd)
		case ok:
			return cmd, nil
		}
	}
}

// refusal is the error for a status or _error.
func refusal(cmd Command) error {
	text := cmd.Name
	for _, key := range []string{"code", "description"} {
		if v, ok := amf.Get(cmd.Arg(0), key); ok {
			text += fmt.Sprintf(": %v", v)
		}
	}
	return fmt.Errorf("rtmp: %s: %w", text, ErrRefused)
}
