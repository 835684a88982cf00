package whatsapp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"

	waLog "go.mau.fi/whatsmeow/util/log"
)

// logger passes warnings and errors of whatsmeow on, without numbers and
// without message texts, and counts the lines that mean trouble.
type logger struct {
	slog  *slog.Logger
	count func(line string)
}

var _ waLog.Logger = (*logger)(nil)

// digits are anything that may be a phone number or part of one.
var digits = regexp.MustCompile(`\d{7,}`)

func (l *logger) Warnf(msg string, args ...any)  { l.write(slog.LevelWarn, msg, args) }
func (l *logger) Errorf(msg string, args ...any) { l.write(slog.LevelError, msg, args) }
func (l *logger) Infof(string, ...any)           {}
func (l *logger) Debugf(string, ...any)          {}
func (l *logger) Sub(string) waLog.Logger        { return l }

// isFetchedApart reports whether a line tells of what is as it should be.
func isFetchedApart(arg any) bool {
	err, _ := arg.(error)
	return errors.Is(err, errFetchedApart)
}

func (l *logger) write(level slog.Level, msg string, args []any) {
	if len(args) > 0 && isFetchedApart(args[len(args)-1]) {
		return
	}
	l.count(msg)
	if !l.slog.Enabled(context.Background(), level) {
		return
	}
	line, _, _ := strings.Cut(fmt.Sprintf(msg, args...), "\n")
	if len(line) > 300 {
		line = line[:300]
	}
	l.slog.Log(context.Background(), level, "whatsmeow: "+digits.ReplaceAllString(line, "***"))
}
