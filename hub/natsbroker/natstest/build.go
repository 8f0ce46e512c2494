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

// server is the program that is built.
const server = "github.com/nats-io/nats-server/v2"

// program is the path of nats-server.
var program = sync.OnceValues(build)

// build builds nats-server, unless the same version has been built before.
func build() (string, error) {
	version, err := exec.Command("go", "list", "-f", "{{.Module.Version}}", server).Output()
	if err != nil {
		return "", fmt.Errorf("go list %s: %w", server, err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	sum := sha256.Sum256([]byte(runtime.Version() + string(version)))
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
	cmd := exec.Command("go", "build", "-o", temp, server)
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		return "", errors.Join(err, errors.New(strings.TrimSpace(said.String())))
	}
	return file, os.Rename(temp, file)
}
