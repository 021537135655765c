// A vCenter to test against: govmomi's simulator as a program of its own. It prints its address and the SHA-256 of its certificate,
// and ends with whoever started it (its standard input closes).
package main

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"log"
	"net/url"
	"os"

	"github.com/vmware/govmomi/simulator"
	_ "github.com/vmware/govmomi/vapi/simulator"
)

func main() {
	model := simulator.VPX()
	user := flag.String("user", "administrator@vsphere.local", "who may log in")
	password := flag.String("password", "", "with which password")
	flag.IntVar(&model.Machine, "vms", model.Machine, "VMs for each host")
	flag.DurationVar(&simulator.SessionIdleTimeout, "idle", 0, "after which a session that says nothing is forgotten")
	flag.IntVar(&model.DelayConfig.Delay, "delay", 0, "milliseconds that every call takes")
	flag.Parse()
	log.SetOutput(io.Discard)

	if err := model.Create(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer model.Remove()
	model.Service.Listen = &url.URL{Host: "127.0.0.1:0", User: url.UserPassword(*user, *password)}
	model.Service.TLS = new(tls.Config)
	model.Service.RegisterEndpoints = true
	// It is not closed: that would wait for everybody who waits for changes. The process ends, and with it all connections.
	server := model.Service.NewServer()

	print := sha256.Sum256(server.TLS.Certificates[0].Certificate[0])
	fmt.Printf("https://%s %s\n", server.URL.Host, hex.EncodeToString(print[:]))
	io.Copy(io.Discard, os.Stdin)
}
