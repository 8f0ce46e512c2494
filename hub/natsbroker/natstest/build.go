package natstest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
)

// program is the path of nats-server, which is built from a module of its own: its main package has dependencies
// that the server within fanfare has not.
var program = sync.OnceValues(build)

// build builds nats-server, unless the same version has been built before.
func build() (string, error) {
	out, err := exec.Command("go", "list", "-f", "{{.Dir}}", "github.com/fanfare-ws/fanfare/hub/natsbroker").Output()
	if err != nil {
		return "", fmt.Errorf("go list: %w", err)
	}
	module := filepath.Join(strings.TrimSpace(string(out)), "internal", "natsserver")
	sums, err := os.ReadFile(filepath.Join(module, "go.sum"))
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	sum := sha256.Sum256([]byte(runtime.Version() + string(sums)))
	dir := filepath.Join(cache, "fanfare-nats-server")
	file := filepath.Join(dir, hex.EncodeToString(sum[:8]))
	if _, err := os.Stat(file); err == nil {
		return file, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	temp := fmt.Sprintf("%s.%d", file, os.Getpid())
	defer os.Remove(temp)
	var said bytes.Buffer
	cmd := exec.Command("go", "build", "-C", module, "-o", temp, "github.com/nats-io/nats-server/v2")
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		return "", errors.Join(err, errors.New(strings.TrimSpace(said.String())))
	}
	return file, os.Rename(temp, file)
}
