package wsproto

import (
	"testing"

	"github.com/fanfare-ws/fanfare/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }
