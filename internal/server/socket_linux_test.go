package server

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A socket takes what there is room for without waiting, and reads as a connection does.
func TestSocket(t *testing.T) {
	ours, theirs := tcpPair(t)
	s := newSocket(ours)
	if err := errors.Join(s.SetWriteBuffer(64<<10), theirs.SetReadBuffer(64<<10), s.SetWriteDeadline(time.Now())); err != nil {
		t.Fatal(err) // a deadline is for who waits
	}
	var want []byte
	all := make(net.Buffers, 3000) // more than one call takes
	for i := range all {
		all[i] = bytes.Repeat([]byte{byte(i)}, i%5*2000)
		want = append(want, all[i]...)
	}
	left := slices.Clone(all)
	var sent int64
	var err error
	for err == nil {
		var n int64
		n, err = s.TryWriteBuffers(&left)
		sent += n
	}
	if !errors.Is(err, syscall.EAGAIN) || sent == 0 || sent == int64(len(want)) {
		t.Fatalf("wrote %d bytes: %v", sent, err)
	}
	if !bytes.Equal(bytes.Join(left, nil), want[sent:]) {
		t.Fatal("what is left is not what was not written")
	}
	done := make(chan error)
	go func() {
		_ = s.SetWriteDeadline(time.Time{})
		_, err := s.WriteBuffers(&left)
		done <- errors.Join(err, s.CloseWrite())
	}()
	got, err := io.ReadAll(newSocket(theirs))
	if err := errors.Join(err, <-done); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes of %d arrived, %v", len(got), len(want), err)
	}
	if err := theirs.SetReadDeadline(time.Now()); err != nil {
		t.Fatal(err)
	}
	if n, err := newSocket(theirs).Read(make([]byte, 1)); n != 0 || !isTimeout(err) {
		t.Errorf("past the deadline: %d, %v", n, err)
	}
}

// TLS takes what there is room for without waiting, too: what it has encrypted and not sent goes
// before all else.
func TestSecureSocket(t *testing.T) {
	ours, theirs := tcpPair(t)
	if err := errors.Join(ours.SetWriteBuffer(64<<10), theirs.SetReadBuffer(64<<10)); err != nil {
		t.Fatal(err)
	}
	s, client := secured(t, newSocket(ours), theirs)
	random := rand.New(rand.NewPCG(1, 2))
	var want []byte
	received := make(chan []byte)
	waits := 0
	for n := range 200 {
		var pieces net.Buffers
		for range random.IntN(4) {
			piece := bytes.Repeat([]byte{byte(n)}, random.IntN(200<<10))
			pieces, want = append(pieces, piece), append(want, piece...)
		}
		whole := int64(len(bytes.Join(pieces, nil)))
		sent, err := s.TryWriteBuffers(&pieces)
		if left := int64(len(bytes.Join(pieces, nil))); sent+left != whole || err == nil && left > 0 {
			t.Fatalf("took %d bytes of %d, left %d: %v", sent, whole, left, err)
		}
		if err == nil {
			continue
		}
		if !errors.Is(err, syscall.EAGAIN) {
			t.Fatal(err)
		}
		if n, err := s.TryWriteBuffers(&net.Buffers{{1}}); n != 0 || !errors.Is(err, syscall.EAGAIN) {
			t.Fatalf("before what was left: %d, %v", n, err)
		}
		if waits++; waits == 1 {
			go func() {
				b, _ := io.ReadAll(client)
				received <- b
			}()
		}
		if _, err := s.WriteBuffers(&pieces); err != nil {
			t.Fatal(err)
		}
	}
	if err := ours.CloseWrite(); err != nil || waits == 0 {
		t.Fatal(waits, err)
	}
	if got := <-received; !bytes.Equal(got, want) {
		t.Errorf("%d bytes of %d arrived", len(got), len(want))
	}
}

// unread is how many bytes a connection has for whoever reads next.
func unread(t *testing.T, conn *net.TCPConn) (n int) {
	raw, err := conn.SyscallConn()
	if err == nil {
		_ = raw.Control(func(fd uintptr) { n, err = unix.IoctlGetInt(int(fd), unix.SIOCINQ) })
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// What comes before the time wakes nobody, unless it is much, or the end.
func TestReadLater(t *testing.T) {
	const enoughTime = 30 * time.Second // never passes
	b := make([]byte, 2*enough)
	type conn struct {
		*socket
		theirs *net.TCPConn
	}
	nothing := func(t *testing.T, c conn, at time.Time) {
		t.Helper()
		if n, err := c.ReadLater(b, at); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("nothing has come: %d, %v", n, err)
		}
	}
	send := func(bytes int) func(conn) {
		return func(c conn) { _, _ = c.theirs.Write(make([]byte, bytes)) }
	}
	for _, tt := range []struct {
		name string
		do   func(conn) // before it waits, or meanwhile
		err  error
	}{
		{"enough", send(enough), nil},
		{"more than the connection takes", send(8 << 20), nil},
		{"the end", func(c conn) { _ = c.theirs.CloseWrite() }, io.EOF},
		{"closed", func(c conn) { _ = c.Close() }, net.ErrClosed},
	} {
		for _, before := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, before: %v", tt.name, before), func(t *testing.T) {
				ours, theirs := tcpPair(t)
				c := conn{newSocket(ours), theirs}
				nothing(t, c, time.Now().Add(enoughTime)) // it is not known yet: no wait
				nothing(t, c, time.Now())                 // a tick
				done := make(chan struct{})
				go func() {
					defer close(done)
					tt.do(c)
				}()
				if before {
					await(t, "it has been done", func() bool {
						select {
						case <-done:
							return true
						default:
							return unread(t, ours) > enough
						}
					})
				}
				begin := time.Now()
				n, err := c.ReadLater(b, begin.Add(enoughTime))
				if !errors.Is(err, tt.err) || (n > 0) != (tt.err == nil) || time.Since(begin) >= enoughTime {
					t.Fatalf("%d, %v after %v", n, err, time.Since(begin))
				}
				_ = ours.Close() // ends what still writes
				<-done
			})
		}
	}
	t.Run("reset", func(t *testing.T) {
		ours, theirs := tcpPair(t)
		c := conn{newSocket(ours), theirs}
		nothing(t, c, time.Now())
		_, _ = theirs.SetLinger(0), theirs.Close()
		if n, err := c.ReadLater(b, time.Now().Add(50*time.Millisecond)); n != 0 || !errors.Is(err, syscall.ECONNRESET) {
			t.Fatal(n, err) // at the latest at the time: one that is there already tells nobody
		}
	})
	t.Run("little", func(t *testing.T) {
		ours, theirs := tcpPair(t)
		c := conn{newSocket(ours), theirs}
		nothing(t, c, time.Now())
		at := time.Now().Add(50 * time.Millisecond)
		send(10)(c)
		if n, err := c.ReadLater(b, at); n != 10 || err != nil || time.Now().Before(at) {
			t.Fatalf("%v early: %d, %v", time.Until(at), n, err)
		}
		nothing(t, c, time.Now())
		if err := c.SetReadDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		go send(1)(c)
		if n, err := c.Read(b); n != 1 || err != nil {
			t.Fatalf("a byte is enough for a reader that waits: %d, %v", n, err)
		}
	})
}

func TestSocketErrors(t *testing.T) {
	ours, theirs := tcpPair(t)
	s := newSocket(ours)
	if err := errors.Join(theirs.SetLinger(0), theirs.Close()); err != nil {
		t.Fatal(err)
	}
	var reset net.Error
	if n, err := s.Read(make([]byte, 1)); n != 0 || !errors.Is(err, syscall.ECONNRESET) || !errors.As(err, &reset) {
		t.Errorf("read of a connection that was reset: %d, %v", n, err)
	}
	if n, err := s.TryWriteBuffers(&net.Buffers{{1}}); n != 0 || !errors.Is(err, syscall.EPIPE) {
		t.Errorf("write to a connection that was reset: %d, %v", n, err)
	}
	_ = s.Close()
	if n, err := s.Read(make([]byte, 1)); n != 0 || !errors.Is(err, net.ErrClosed) {
		t.Errorf("read of a closed connection: %d, %v", n, err)
	}
	if n, err := s.TryWriteBuffers(&net.Buffers{{1}}); n != 0 || !errors.Is(err, net.ErrClosed) {
		t.Errorf("write to a closed connection: %d, %v", n, err)
	}
}

// Neither a read nor a write without waiting allocates. (A deadline does that passes: its error.)
func TestSocketAllocatesNothing(t *testing.T) {
	ours, theirs := tcpPair(t)
	out, in := newSocket(ours), newSocket(theirs)
	piece, into := make([]byte, 100), make([]byte, 300)
	pieces := make(net.Buffers, 3)
	allocs := testing.AllocsPerRun(100, func() {
		left := pieces
		for i := range left {
			left[i] = piece
		}
		if n, err := out.TryWriteBuffers(&left); n != 300 || err != nil {
			t.Fatal(n, err)
		}
		if n, err := in.Read(into[:100]); n != 100 || err != nil {
			t.Fatal(n, err)
		}
		if n, err := in.ReadLater(into, time.Now()); n != 200 || err != nil {
			t.Fatal(n, err)
		}
	})
	if allocs > 0 {
		t.Errorf("%v allocations", allocs)
	}
}
