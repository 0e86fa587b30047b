// featurestore does feature engineering and management for machine learning: see README.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	_ "time/tzdata" // time zones by name, also where the machine has none

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"featurestore/app"
	"featurestore/app/demo"
	"featurestore/config"
)

// stopLimit is how long an end may take in all. What was acknowledged is stored before that.
const stopLimit = 19 * time.Second

func main() {
	err := command().ExecuteContext(context.Background())
	if err == nil {
		return
	}
	fmt.Fprintf(os.Stderr, "featurestore: %s\n", sentence(err))
	if fixable(err) {
		os.Exit(2)
	}
	os.Exit(1)
}

// sentence writes an error in one line, unless it is a list of mistakes.
func sentence(err error) string {
	var settings config.Errors
	if errors.As(err, &settings) {
		return err.Error()
	}
	return strings.NewReplacer("\n\t", " ", "\n", "; ").Replace(err.Error())
}

// fixable tells whether the caller can do something about it by calling otherwise.
func fixable(err error) bool {
	var settings config.Errors
	var refusal *app.Refusal
	var call *callError
	return errors.As(err, &settings) || errors.As(err, &refusal) || errors.As(err, &call)
}

// callError is a mistake in the command line.
type callError struct{ error }

func command() *cobra.Command {
	root := &cobra.Command{
		Use:           "featurestore",
		Short:         "Feature engineering and management for machine learning",
		Long:          "Registers features, stores and serves their values, and makes training sets that are right at every point in time.\nWithout a command it serves.",
		Args:          noArgs,
		RunE:          serve,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return &callError{fmt.Errorf("%w; `%s --help` shows what there is", err, c.CommandPath())}
	})
	flags := root.PersistentFlags()
	flags.String("config", "", "settings file (or FEATURESTORE_CONFIG)")
	flags.String("data", "", "folder of the embedded engines")
	flags.StringSlice("listen", nil, "addresses to listen on, separated by commas")
	flags.StringSlice("roles", nil, "what this process does: all, or some of "+strings.Join(config.Roles, ", "))
	flags.Bool("read-only", false, "change nothing: no migration, schedule, write or alert")
	flags.String("log-level", "", "debug, info, warn or error")

	show := &cobra.Command{
		Use: "config", Short: "Show the settings in effect, secrets masked, and where they come from", Args: noArgs, RunE: showConfig,
	}
	show.Flags().Bool("defaults", false, "show every setting with its default and explanation instead")
	migrating := &cobra.Command{Use: "migrate", Short: "Bring all tables up to date, and nothing else", Args: noArgs, RunE: migrate}
	migrating.Flags().Bool("adopt", false, "and stamp the databases with this environment's name, whatever they carry: for copies")
	materializing := &cobra.Command{
		Use: "materialize [group…]", Short: "Bring the online copies of groups in step with history, of all without a name, and end", RunE: materialize,
	}
	materializing.Flags().String("mode", "incremental", "incremental, full or rebuild")
	root.AddCommand(
		&cobra.Command{Use: "serve", Short: "Serve until told to stop (the default)", Args: noArgs, RunE: serve},
		&cobra.Command{Use: "demo", Short: "Show the main job on real purchases, then go on serving", Args: noArgs, RunE: showDemo},
		materializing,
		&cobra.Command{Use: "run-pipelines [pipeline…]", Short: "Compute the ticks of pipelines that are due, of all without a name, and end", RunE: runPipelines},
		migrating,
		show,
		&cobra.Command{Use: "roles", Short: "Show which roles there are, the paths that each serves, and what it does besides", Args: noArgs, RunE: showRoles},
		&cobra.Command{Use: "health", Short: "Ask the process that serves with these settings whether it can answer; code 0 if so", Args: noArgs, RunE: askHealth},
		&cobra.Command{Use: "version", Short: "Show which program this is", Args: noArgs, RunE: showVersion},
	)
	return root
}

func noArgs(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return &callError{fmt.Errorf("%q is not a command; `%s --help` shows what there is", args[0], c.CommandPath())}
	}
	return nil
}

// settings reads the settings from all sources.
func settings(c *cobra.Command) (*config.Loaded, error) {
	file, err := c.Flags().GetString("config")
	if err != nil {
		return nil, err
	}
	if file == "" {
		file = os.Getenv("FEATURESTORE_CONFIG")
	}
	return config.Load(config.Sources{
		File: file, Environment: os.Environ(),
		Flags: map[string]*pflag.Flag{
			"data": c.Flag("data"), "http.listen": c.Flag("listen"), "roles": c.Flag("roles"), "log.level": c.Flag("log-level"),
			"read_only": c.Flag("read-only"),
		},
	})
}

func logger(c config.Log) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		panic(err) // config has checked it
	}
	options := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, options))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, options))
}

func serve(c *cobra.Command, _ []string) error {
	loaded, err := settings(c)
	if err != nil {
		return err
	}
	return serveUntilStopped(c.Context(), loaded, nil)
}

// showDemo serves from a folder of its own inside the data folder and shows the main job meanwhile.
func showDemo(c *cobra.Command, _ []string) error {
	loaded, err := settings(c)
	if err != nil {
		return err
	}
	loaded.Data = filepath.Join(loaded.Data, "demo")
	return serveUntilStopped(c.Context(), loaded, func(ctx context.Context, urls []string) error {
		d := &demo.Demo{Registry: urls[0], Store: urls[len(urls)-1],
			Folder: loaded.Data, Out: os.Stdout, Client: http.DefaultClient}
		return d.Run(ctx)
	})
}

// serveUntilStopped serves until told to stop; meanwhile, if not nil, is done once it serves, and its failure ends it.
func serveUntilStopped(ctx context.Context, loaded *config.Loaded, meanwhile func(ctx context.Context, urls []string) error) error {
	began := time.Now()
	app.Tune()
	ctx, release := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer release()
	log := logger(loaded.Log)
	a, err := app.New(ctx, &loaded.Config, log)
	if err != nil {
		return err
	}
	if err := a.Start(ctx); err != nil {
		return errors.Join(err, a.Stop())
	}
	fmt.Printf("%sready in %s\n", a.Banner(), time.Since(began).Round(time.Millisecond))
	app.ReturnMemory()
	defer app.KeepSmall()()
	if meanwhile != nil {
		if err := meanwhile(ctx, a.URLs()); err != nil && ctx.Err() == nil {
			return errors.Join(err, stop(a))
		}
	}
	select {
	case <-ctx.Done():
		release() // a second signal ends the process at once
		log.Info("stopping; running requests may finish", "within", loaded.HTTP.Grace)
	case err = <-a.Failed():
	}
	return errors.Join(err, stop(a))
}

// stop does not wait for ever.
func stop(a *app.App) error {
	stopped := make(chan error, 1)
	go func() { stopped <- a.Stop() }()
	select {
	case err := <-stopped:
		return err
	case <-time.After(stopLimit):
		return fmt.Errorf("something did not stop within %s", stopLimit)
	}
}

func materialize(c *cobra.Command, groups []string) error {
	loaded, err := settings(c)
	if err != nil {
		return err
	}
	mode, err := c.Flags().GetString("mode")
	if err != nil {
		return err
	}
	app.Tune()
	ctx, release := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
	defer release()
	return app.Materialize(ctx, &loaded.Config, mode, groups, os.Stdout, logger(loaded.Log))
}

func runPipelines(c *cobra.Command, names []string) error {
	loaded, err := settings(c)
	if err != nil {
		return err
	}
	app.Tune()
	ctx, release := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
	defer release()
	return app.RunPipelines(ctx, &loaded.Config, names, os.Stdout, logger(loaded.Log))
}

func migrate(c *cobra.Command, _ []string) error {
	loaded, err := settings(c)
	if err != nil {
		return err
	}
	adopt, err := c.Flags().GetBool("adopt")
	if err != nil {
		return err
	}
	if err := app.Migrate(c.Context(), &loaded.Config, adopt, logger(loaded.Log)); err != nil {
		return err
	}
	fmt.Println("all tables are up to date")
	return nil
}

func showConfig(c *cobra.Command, _ []string) error {
	if all, err := c.Flags().GetBool("defaults"); err != nil || all {
		fmt.Print(config.Default())
		return err
	}
	loaded, err := settings(c)
	if err != nil {
		return err
	}
	fmt.Print(loaded.Show())
	return nil
}

func showRoles(c *cobra.Command, _ []string) error { return app.WriteRoles(c.OutOrStdout()) }

// askHealth is the health check of containers whose image has nothing else to ask with.
func askHealth(c *cobra.Command, _ []string) error {
	loaded, err := settings(c)
	if err != nil {
		return err
	}
	return app.AskHealth(c.Context(), loaded.HTTP.Listen)
}

func showVersion(*cobra.Command, []string) error {
	v := app.ThisVersion()
	fmt.Printf("featurestore %s", v.Version)
	if v.Commit != "" {
		fmt.Printf(" (%s)", v.Commit)
	}
	fmt.Printf(", %s\n", v.Go)
	return nil
}
