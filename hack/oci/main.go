// Oci makes and pushes the container image without a container engine.
//
//	oci build       writes what hack/image has built as an OCI image layout, an index of one image
//	                for each platform. The same files, version, revision and time give the same
//	                digest.
//	oci push        sends a layout to a registry, with the credentials of docker login.
//	oci push-chart  sends a packaged Helm chart there, as helm push would.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "hack/oci:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 0 {
		return errors.New("what is to be done: build, push or push-chart?")
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	switch args[0] {
	case "build":
		var o options
		files := flags.String("files", "", "a folder for each platform, like linux-arm64, with what the image has beside its base")
		dockerfile := flags.String("dockerfile", "Dockerfile", "whose last USER and ENTRYPOINT the image has")
		layout := flags.String("out", "", "the layout; one that is there is replaced")
		created := flags.Int64("created", 0, "when the source is from, in seconds since 1970: the image's time, and that of its files")
		flags.StringVar(&o.version, "version", "", "version of the operator")
		flags.StringVar(&o.revision, "revision", "", "commit of the source")
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		o.created = time.Unix(*created, 0).UTC()
		return build(out, *files, *dockerfile, *layout, o)
	case "push":
		layout := flags.String("from", "", "the layout")
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		return push(ctx, out, *layout, flags.Arg(0))
	case "push-chart":
		archive := flags.String("from", "", "the archive that helm package or hack/chart writes")
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		return pushChart(ctx, out, *archive, flags.Arg(0))
	default:
		return fmt.Errorf("what is %q? There are build, push and push-chart", args[0])
	}
}
