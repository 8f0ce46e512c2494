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

// redraw is the subcommand report: the pages, the charts and what documents show, made anew
// of a report that was kept. With again it is the subcommand figures, which measures
// Fanfare's memory first.
type redraw struct {
	results   string // directory
	documents string // directory of the project; "" leaves its documents alone
	again     *options
}

const redrawUsage = `Usage: go run -C bench . report|figures [flags]

  report      makes report.md, the charts, and the figures in README.md and in the
              packages' documentation anew of results/report.json
  figures     measures Fanfare's memory for each connection again, in under 4 minutes,
              puts it into results/report.json in the place of what was there, and
              does what report does

Flags:
`

func parseRedraw(name string, args []string, out io.Writer) (*redraw, error) {
	d := new(redraw)
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	f.StringVar(&d.results, "results", "results", "`directory` of the report")
	f.StringVar(&d.documents, "documents", "..", "`directory` of the project, whose README.md and documentation show figures; \"\" leaves them alone")
	if name == "figures" {
		d.again = &options{kinds: []kind{memory}, servers: fanfareServers(), few: true}
	}
	return d, parseFlags(f, redrawUsage, args, out)
}

// fanfareServers are ours.
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
			return err // a report without faults is kept
		}
		if err := r.replace(more); err != nil {
			return err
		}
	}
	if err := r.write(d.results); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "\nwritten: %s\n", d.results)
	if d.documents == "" {
		return nil
	}
	return r.writeDocuments(d.documents)
}

// remeasured is a run whose rows are in the place of a report's.
type remeasured struct {
	Made    time.Time `json:"made"`
	Seconds float64   `json:"seconds"`
	Load    float64   `json:"load_average_before"`
	What    string    `json:"what"`
}

// replace has the rows of another run in the place of those of the same servers and loads.
func (r *report) replace(more *report) error {
	if why := more.Machine.compared(settled.at(rss), &r.Machine); why != "" {
		return errors.New("the kept report is of another machine: " + why + "; measure all again: go run -C bench . all -report results")
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

// about has a server's version and setup in the place of what was there.
func (r *report) about(s about) {
	for i := range r.Servers {
		if r.Servers[i].Name == s.Name {
			r.Servers[i] = s
			return
		}
	}
	r.Servers = append(r.Servers, s)
}
