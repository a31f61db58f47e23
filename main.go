// Command rtmptool records live RTMP streams so that nothing is lost.
package main

import (
	"os"

	"github.com/rtmptool/rtmptool/cmd"
)

func main() {
	os.Exit(cmd.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
