package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"strconv"
)

//go:embed compression_zlib.py
var zlibScript string

// zlib measures zlib, by way of Python, which calls it without a copy.
func (o *compressionOptions) zlib(ctx context.Context, kinds []messages, level int) ([]echoCost, error) {
	var all []echoCost
	for _, m := range kinds {
		args := []string{"-c", zlibScript, strconv.Itoa(m.size), strconv.Itoa(level), strconv.Itoa(o.rounds), strconv.FormatFloat(o.duration.Seconds(), 'f', -1, 64)}
		if o.takeover {
			args = append(args, "takeover")
		}
		c := command(ctx, "python3", args...)
		c.Stdin = bytes.NewReader(bytes.Join(m.plain, nil))
		out, err := c.Output()
		if err != nil {
			return nil, fmt.Errorf("python3 could not run it: %w", err)
		}
		var cost struct{ Micros, Ratio float64 }
		if err := json.Unmarshal(out, &cost); err != nil {
			return nil, err
		}
		all = append(all, echoCost{cost.Micros, cost.Ratio})
	}
	return all, nil
}
