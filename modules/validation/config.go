package validation

import (
	"fmt"
	"time"
)

// Config is the module's part of the settings.
type Config struct {
	MaxDriftValues int   // of one POST /drift, both sides together
	MaxBodyBytes   int64 // of one request

	MaxInlineValues int           // of one POST /validate, rows × columns
	MaxInlineTime   time.Duration // that one POST /validate may take

	Every            time.Duration // how often rules that judge the whole are evaluated; 0: after loads and when asked only
	WriteReportEvery time.Duration // how often what rules said of single writes is reported
	ReportKeep       time.Duration // how long reports are kept
	ProfileKeep      time.Duration // how long profiles of stored values are kept
}

// DefaultConfig holds what config/default.yaml explains.
func DefaultConfig() Config {
	return Config{MaxDriftValues: 1_000_000, MaxBodyBytes: 32 << 20, MaxInlineValues: 1_000_000, MaxInlineTime: 30 * time.Second,
		Every: 15 * time.Minute, WriteReportEvery: time.Minute, ReportKeep: 90 * 24 * time.Hour, ProfileKeep: 90 * 24 * time.Hour}
}

// Validate names everything that is wrong.
func (c Config) Validate() []error {
	var errs []error
	if c.MaxDriftValues < 1 {
		errs = append(errs, fmt.Errorf("validation.max_drift_values is %d: use at least 1", c.MaxDriftValues))
	}
	if c.MaxBodyBytes < 1024 {
		errs = append(errs, fmt.Errorf("validation.max_body is %d bytes: use at least 1 KiB", c.MaxBodyBytes))
	}
	if c.MaxInlineValues < 1 {
		errs = append(errs, fmt.Errorf("validation.max_inline_values is %d: use at least 1", c.MaxInlineValues))
	}
	if c.MaxInlineTime <= 0 {
		errs = append(errs, fmt.Errorf("validation.max_inline_time is %s: use more than nothing", c.MaxInlineTime))
	}
	if c.ProfileKeep < 24*time.Hour {
		errs = append(errs, fmt.Errorf("validation.profile_keep is %s: use at least 1d", c.ProfileKeep))
	}
	if c.Every != 0 && c.Every < time.Second {
		errs = append(errs, fmt.Errorf("validation.every is %s: use at least 1s, or 0s for never", c.Every))
	}
	if c.WriteReportEvery < 10*time.Millisecond || c.WriteReportEvery > time.Hour {
		errs = append(errs, fmt.Errorf("validation.write_report_every is %s: use 10ms to 1h", c.WriteReportEvery))
	}
	if c.ReportKeep < time.Hour {
		errs = append(errs, fmt.Errorf("validation.report_keep is %s: use at least 1h", c.ReportKeep))
	}
	return errs
}
