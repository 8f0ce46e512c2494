package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/fanfare-ws/fanfare/bench/servers"
)

// redraw is the subcommand report: it writes the page, the charts and the figures in documents again from the recorded report.
// With again it is the subcommand figures, which measures Fanfare's memory first.
type redraw struct {
	results   string // directory
	documents string // directory of the project; "" to leave its documents unchanged
	again     *options
}

const redrawUsage = `Usage: go run -C bench . report|figures [flags]

  report      writes report.md, the charts, and the figures in README.md and in the
              packages' documentation again from results/report.json
  figures     measures Fanfare's memory per connection again, in under 4 minutes,
              replaces it in results/report.json, and then does what report does

Flags:
`

func parseRedraw(name string, args []string, out io.Writer) (*redraw, error) {
	d := new(redraw)
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	f.StringVar(&d.results, "results", "results", "`directory` of the report")
	f.StringVar(&d.documents, "documents", "..", "`directory` of the project, whose README.md and documentation show figures; \"\" to leave them unchanged")
	if name == "figures" {
		d.again = &options{kinds: []kind{memory}, servers: fanfareServers(), few: true}
	}
	return d, parseFlags(f, redrawUsage, args, out)
}

// fanfareServers returns the servers of this project.
func fanfareServers() (all []servers.Server) {
	for _, s := range servers.All {
		if s.Module == servers.All[0].Module {
			all = append(all, s)
		}
	}
	return all
}

func (d *redraw) run(ctx context.Context, stdout, log io.Writer) error {
	r, err := readReport(filepath.Join(d.results, "report.json"))
	if err != nil {
		return err
	}
	if d.again != nil {
		more, err := compare(ctx, d.again, log)
		if err != nil {
			return err
		}
		if err := errors.Join(more.publish(d.again, stdout), more.verdict()); err != nil {
			return err // only a report without faults is recorded
		}
		if err := r.replace(more); err != nil {
			return err
		}
	}
	if err := r.write(d.results); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "\nwrote %s\n", d.results)
	if d.documents == "" {
		return nil
	}
	return r.writeDocuments(d.documents)
}

// remeasured describes a run whose rows have replaced rows of a report.
type remeasured struct {
	Made    time.Time `json:"made"`
	Seconds float64   `json:"seconds"`
	Load    float64   `json:"load_average_before"`
	What    string    `json:"what"`
}

// replace replaces rows by those of another run with the same servers and loads.
func (r *report) replace(more *report) error {
	if why := more.Machine.compared(settled.at(rss), &r.Machine); why != "" {
		return errors.New("the recorded report is of another machine: " + why + "; measure everything again with go run -C bench . all -report results")
	}
	for _, m := range more.Measurements {
		old := r.like(&m)
		if old == nil {
			r.Measurements = append(r.Measurements, m)
			continue
		}
		for _, row := range m.Rows {
			if was := old.find(row.Server); was != nil {
				*was = row
			} else {
				old.Rows = append(old.Rows, row)
			}
		}
		old.rank()
	}
	var names []string
	for _, s := range more.Servers {
		names = append(names, s.Name)
		r.about(s)
	}
	what := "memory of " + strings.Join(names, ", ")
	again := remeasured{more.Made, more.Seconds, more.Machine.Load, what}
	for i := range r.Again {
		if r.Again[i].What == what {
			r.Again[i] = again
			return nil
		}
	}
	r.Again = append(r.Again, again)
	return nil
}

// about replaces the version and setup of a server.
func (r *report) about(s about) {
	for i := range r.Servers {
		if r.Servers[i].Name == s.Name {
			r.Servers[i] = s
			return
		}
	}
	r.Servers = append(r.Servers, s)
}
