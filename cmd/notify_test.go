package cmd

import (
	"net"
	"os"

	"github.com/rogpeppe/go-internal/testscript"
)

// manager FILE: a service manager that writes what it is told into a file, a
// variable a line.
func manager(ts *testscript.TestScript, _ bool, args []string) {
	told, err := os.Create(ts.MkAbs(args[0]))
	ts.Check(err)
	path := ts.MkAbs(args[0] + ".socket")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	ts.Check(err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		message := make([]byte, 4096)
		for {
			n, err := conn.Read(message)
			if err == nil {
				_, err = told.Write(append(message[:n], '\n'))
			}
			if err != nil { // the end of the script
				return
			}
		}
	}()
	ts.Defer(func() {
		_ = conn.Close()
		<-done
		_ = told.Close()
	})
	ts.Setenv("NOTIFY_SOCKET", path)
}
