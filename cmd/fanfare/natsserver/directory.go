//go:build cluster

package natsserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// directory is a directory for the data of a node, which this process alone uses.
type directory struct {
	path string
	lock *os.File
	node node
}

// node is the file node.json.
type node struct {
	Name    string `json:"name"`
	Cluster string `json:"cluster,omitempty"` // none for a single node
}

// openDirectory creates the directory if necessary, and locks it.
func openDirectory(path string, r *Routes) (*directory, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("the data directory %s cannot be created: %w", path, err)
	}
	d := &directory{path: path}
	if err := d.acquire(); err != nil {
		return nil, err
	}
	if err := d.identify(r); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

// acquire locks the directory. The kernel unlocks it when the process ends in any way.
func (d *directory) acquire() error {
	f, err := os.OpenFile(filepath.Join(d.path, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("the data directory %s cannot be written: %w", d.path, err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	switch {
	case errors.Is(err, unix.EWOULDBLOCK):
		err = fmt.Errorf("the data directory %s is in use by another process; each node needs its own", d.path)
	case err != nil:
		err = fmt.Errorf("the data directory %s cannot be locked: %w", d.path, err)
	default:
		d.lock = f
		return nil
	}
	f.Close()
	return err
}

func (d *directory) close() { d.lock.Close() }

// identify reads the name of the node, or chooses it in a new directory.
func (d *directory) identify(r *Routes) error {
	file := filepath.Join(d.path, "node.json")
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		d.node = node{Name: newName(r), Cluster: r.clusterOrNone()}
		return d.save(file)
	}
	if err == nil {
		err = json.Unmarshal(b, &d.node)
	}
	if err == nil && d.node.Name == "" {
		err = errors.New("it has no name")
	}
	if err != nil {
		return fmt.Errorf("%s, which has the name of this node, cannot be read: %w", file, err)
	}
	if was, is := d.node.Cluster, r.clusterOrNone(); was != is {
		return fmt.Errorf("the data directory %s belongs to %s; it cannot be used for %s, which would delete what is stored there", d.path, clusterText(was), clusterText(is))
	}
	return nil
}

// save writes node.json in a way that a crash leaves either no file or a complete one.
func (d *directory) save(file string) error {
	b, err := json.Marshal(d.node)
	if err != nil {
		return err
	}
	temp, err := os.CreateTemp(d.path, "node-*.json")
	if err != nil {
		return fmt.Errorf("the data directory %s cannot be written: %w", d.path, err)
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(append(b, '\n'))
	err = errors.Join(err, temp.Sync(), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), file)
	}
	if err != nil {
		return fmt.Errorf("the data directory %s cannot be written: %w", d.path, err)
	}
	return nil
}

// clusterOrNone returns the name of the cluster, "" for a single node.
func (r *Routes) clusterOrNone() string {
	if r.Single() {
		return ""
	}
	return r.Cluster
}

func clusterText(name string) string {
	if name == "" {
		return "a single node"
	}
	return fmt.Sprintf("the cluster %q", name)
}

// newName returns the name of a node: those of the machine and the port of routes, which a node that has lost its directory
// has again. NATS allows neither spaces nor dots everywhere in names.
func newName(r *Routes) string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "node"
	}
	name := strings.Map(func(c rune) rune {
		if strings.ContainsRune(" .*>/\\\t", c) {
			return '-'
		}
		return c
	}, host)
	if _, port, err := net.SplitHostPort(r.Listen); err == nil {
		name += "-" + port
	}
	return name
}

// tight reports whether the disk has less room than the stream may take, beside what it takes already.
func (d *directory) tight(most int64) (free int64, tight bool) {
	var st unix.Statfs_t
	if most <= 0 || unix.Statfs(d.path, &st) != nil {
		return 0, false
	}
	free = int64(st.Bavail) * st.Bsize
	var used int64
	_ = filepath.WalkDir(d.path, func(_ string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			if info, err := e.Info(); err == nil {
				used += info.Size()
			}
		}
		return nil // what cannot be read does not count
	})
	return free, free+used < most
}
