package certs

import (
	"context"
	"log/slog"
	"slices"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// toSlog returns a logger for certmagic that writes to log. The ACME logs errors and successes itself, so what
// certmagic says of them is one level lower.
func toSlog(log *slog.Logger) *zap.Logger { return zap.New(&slogCore{log: log}) }

func silent() *zap.Logger { return zap.NewNop() }

// slogCore is a zapcore.Core.
type slogCore struct {
	log    *slog.Logger
	fields []zapcore.Field
}

func levelOf(l zapcore.Level) slog.Level {
	if l >= zapcore.WarnLevel {
		return slog.LevelWarn
	}
	return slog.LevelDebug
}

func (c *slogCore) Enabled(l zapcore.Level) bool {
	return c.log.Enabled(context.Background(), levelOf(l))
}

func (c *slogCore) With(fields []zapcore.Field) zapcore.Core {
	return &slogCore{c.log, append(slices.Clip(c.fields), fields...)}
}

func (c *slogCore) Check(e zapcore.Entry, to *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return to.AddCore(e, c)
	}
	return to
}

func (c *slogCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	attrs := []slog.Attr{slog.String("logger", "acme."+e.LoggerName)}
	for _, f := range append(slices.Clip(c.fields), fields...) {
		m := zapcore.NewMapObjectEncoder()
		f.AddTo(m)
		for name, value := range m.Fields {
			attrs = append(attrs, slog.Any(name, value))
		}
	}
	c.log.LogAttrs(context.Background(), levelOf(e.Level), e.Message, attrs...)
	return nil
}

func (c *slogCore) Sync() error { return nil }
