package cmd

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/rtmptool/rtmptool/internal/certtest"
)

// certificates makes some, each with its key.
func certificates(t testing.TB) (all [2][2][]byte) {
	for i := range all {
		all[i][0], all[i][1] = certtest.New(t)
	}
	return all
}

// certificate 0|1 CERT KEY: writes a certificate for 127.0.0.1 and its key.
func writeCertificate(all [2][2][]byte) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, _ bool, args []string) {
		i, err := strconv.Atoi(args[0])
		ts.Check(err)
		for part, name := range args[1:] {
			ts.Check(os.WriteFile(ts.MkAbs(name+".new"), all[i][part], 0o600))
			ts.Check(os.Rename(ts.MkAbs(name+".new"), ts.MkAbs(name)))
		}
	}
}

// trusted ADDRESS CERT: whoever trusts only this certificate trusts the server.
func trusted(ts *testscript.TestScript, neg bool, args []string) {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(ts.ReadFile(args[1])))
	conn, err := tls.Dial("tcp", args[0], &tls.Config{RootCAs: roots})
	if (err != nil) != neg {
		ts.Fatalf("%v", err)
	}
	if err == nil {
		_ = conn.SetDeadline(time.Now().Add(patience))
		ts.Check(conn.Close())
	}
}
