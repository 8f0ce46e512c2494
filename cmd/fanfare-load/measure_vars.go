package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// vars is the part of a server's expvar page that this program uses.
type vars struct {
	MemStats *struct{ HeapAlloc, HeapInuse, StackInuse int64 } `json:"memstats"`
	// Goroutines is nil unless the server publishes it.
	Goroutines *int64 `json:"goroutines"`
}

// get requests a page on a connection of its own and leaves no open connection behind.
func get(url string) (*http.Response, error) {
	c := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	return c.Get(url)
}

func readVars(url string) (*vars, error) {
	resp, err := get(url)
	if err != nil {
		return nil, fmt.Errorf("-vars: %w", err)
	}
	defer resp.Body.Close()
	v := new(vars)
	if err := json.NewDecoder(resp.Body).Decode(v); err != nil || v.MemStats == nil {
		return nil, fmt.Errorf("-vars: %s (%s) is not an expvar page: %v", url, resp.Status, err)
	}
	return v, nil
}

// vars reads the page. It returns nil without -vars.
func (l *load) vars() (*vars, error) {
	if l.opt.vars == "" {
		return nil, nil
	}
	return readVars(l.opt.vars)
}

func (v *vars) heap() int64 {
	if v == nil {
		return unknown
	}
	return v.MemStats.HeapInuse
}

func (v *vars) objects() int64 {
	if v == nil {
		return unknown
	}
	return v.MemStats.HeapAlloc
}

func (v *vars) stacks() int64 {
	if v == nil {
		return unknown
	}
	return v.MemStats.StackInuse
}

func (v *vars) goroutines() int64 {
	if v == nil || v.Goroutines == nil {
		return unknown
	}
	return *v.Goroutines
}
