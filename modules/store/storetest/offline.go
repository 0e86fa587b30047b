package storetest

import (
	"context"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// OfflineEngine makes stores for the suite.
type OfflineEngine struct {
	// Open opens the store at a place: one that was never used is empty, the same place again is the same store, as after a
	// restart of the process. Places of one test do not touch those of another. The suite closes what it opens, before it opens
	// it again.
	Open func(t testing.TB, place string) store.Offline

	// Crash opens the store at a place as it is found after the process that has it open, with loads under way, was killed. The
	// suite does nothing more with what was open but close it.
	Crash func(t testing.TB, place string) store.Offline
}

// RunOffline holds an engine to the contract of store.Offline.
func RunOffline(t *testing.T, engine OfflineEngine) {
	for _, c := range []struct {
		says string
		run  func(*offline)
	}{
		{"identity is of this store and survives a restart", (*offline).identity},
		{"a store belongs to the installation that claimed it first", (*offline).claim},
		{"EnsureLayout makes the table once", (*offline).layoutCreated},
		{"EnsureLayout is safe when many call it", (*offline).layoutConcurrent},
		{"EnsureLayout adds columns and never lowers the version", (*offline).layoutAdds},
		{"EnsureLayout takes names that are words of SQL, and long ones", (*offline).layoutNames},
		{"EnsureLayout takes 500 features", (*offline).layoutWide},
		{"a reused name is a column of its own", (*offline).layoutReusedName},
		{"a group that has other join keys now is empty until it is written", (*offline).rekeyed},
		{"Append stores all or nothing", (*offline).appendAllOrNothing},
		{"Append under an outdated layout is refused", (*offline).appendOutdated},
		{"Append fills in ingest ids that ascend", (*offline).appendIDs},
		{"Append dates rows without a time by the store's clock", (*offline).appendNow},
		{"Append is safe when many call it", (*offline).appendConcurrent},
		{"Append takes several layouts and groups at once", (*offline).appendMixed},
		{"Append takes any choice of features", (*offline).appendSubsets},
		{"Append survives a restart", (*offline).appendDurable},
		{"Append takes no rows", (*offline).appendNothing},
		{"AppendOnce remembers requests with their rows", (*offline).onceRemembers},
		{"AppendOnce stores nothing where a request is known, and says which", (*offline).onceKnown},
		{"AppendOnce that is refused remembers nothing", (*offline).onceRefused},
		{"of many AppendOnce with one key one stores", (*offline).onceConcurrent},
		{"a request is remembered for its time, and then removed in steps", (*offline).onceOver},
		{"the outcome of remembered requests is settled", (*offline).onceSettled},
		{"a reservation gives way to its own run", (*offline).onceReserved},
		{"a load is remembered with its commit", (*offline).onceLoad},
		{"a load whose reservation another took over leaves nothing", (*offline).onceLoadTakenOver},
		{"values come back bit for bit", (*offline).values},
		{"entities are told apart whatever their keys are", (*offline).keys},
		{"a load appears whole with its commit", (*offline).loadCommit},
		{"an aborted load leaves nothing", (*offline).loadAbort},
		{"a cancelled load says so and leaves nothing", (*offline).loadCancelled},
		{"a load that was open in a crash leaves nothing", (*offline).loadCrash},
		{"abort after commit does nothing", (*offline).loadAbortAfterCommit},
		{"a load keeps no memory of the rows it was given", (*offline).loadMemory},
		{"writes go on while a load is open", (*offline).loadAndAppend},
		{"several loads are open at once", (*offline).loadsAtOnce},
		{"a load of an outdated layout is refused", (*offline).loadOutdated},
		{"a column added while a load is open harms neither", (*offline).loadAndColumn},
		{"a large load arrives", (*offline).loadLarge},
		{"a snapshot does not change", (*offline).snapshotStable},
		{"a snapshot from before the table reads as empty", (*offline).snapshotBeforeTable},
		{"a group without a table reads as empty", (*offline).snapshotNoTable},
		{"a feature without a column reads as never observed", (*offline).snapshotNoColumn},
		{"a group is not read by an older definition", (*offline).snapshotOutdated},
		{"Retire ends writing to a group without rows", (*offline).retireEmpty},
		{"Retire of a group without a table", (*offline).retireWithoutTable},
		{"Retire changes nothing while rows are stored", (*offline).retireUsed},
		{"Reopen takes back what was retired", (*offline).retireReopen},
		{"Now is the store's clock and never goes back", (*offline).snapshotNow},
		{"AsKnown shows what an earlier snapshot showed, whatever was under way", (*offline).knownThen},
		{"AsKnown shows what came in before a time that Settled gave", (*offline).knownBefore},
		{"Settled comes before a load under way, whose rows have one ingest time", (*offline).knownLoad},
		{"AsKnown reads by older definitions", (*offline).knownByOlder},
		{"AsKnown reads groups that were empty and are changed or retired since", (*offline).knownEmpty},
		{"Position: what is not in a snapshot is at or above it", (*offline).positionNew},
		{"Position: an open load stays above it, 200 of 200", (*offline).positionOpenLoad},
		{"Position: a reader that follows misses nothing", (*offline).positionFollow},
		{"Head: everything in the snapshot lies below", (*offline).positionHead},
		{"AsOf is exact to the microsecond", (*offline).asOfExact},
		{"AsOf breaks ties by the order of ingestion", (*offline).asOfTies},
		{"AsOf composes partial rows feature by feature", (*offline).asOfPartial},
		{"AsOf reads a feature added later as never observed in older rows", (*offline).asOfAdded},
		{"AsOf reads older integers of a widened feature", (*offline).asOfWidened},
		{"an older generation of values is read beside the newer one", (*offline).generations},
		{"a whole row observes the generation of its time", (*offline).generationsOfWholeRows},
		{"500 features have three generations each", (*offline).generationsMany},
		{"a generation that has no column yet reads as never observed", (*offline).generationNoColumn},
		{"AsOf answers in the order of the questions", (*offline).asOfOrder},
		{"AsOf finds what is not older than since", (*offline).asOfSince},
		{"AsOf answers no question", (*offline).asOfNothing},
		{"AsOf answers 40,000 questions", (*offline).asOfMany},
		{"Current has each entity once", (*offline).current},
		{"Current and Observations stop at the caller's error", (*offline).yieldError},
		{"Sample chooses from all over the group", (*offline).sample},
		{"Sample takes all entities of a small group, and none of an open load", (*offline).sampleSmall},
		{"Observations do not hide what was corrected", (*offline).observations},
		{"Observations of a key, newest first", (*offline).observationsOfKey},
		{"Observations from, to", (*offline).observationsRange},
		{"Observations of a run", (*offline).observationsOfRun},
		{"Observations of a run from where it began, under loads, writes, replays and removals", (*offline).observationsOfLoads},
		{"Observations in the order of entities", (*offline).observationsOrdered},
		{"HasEntities tells of many entities whether they have a row", (*offline).hasEntities},
		{"HasValues tells of many values whether a row observes them", (*offline).hasValues},
		{"CountEntities counts those of several groups once", (*offline).countEntities},
		{"Observations at most", (*offline).observationsLimit},
		{"Measure says of rows what there is to count, add up and order", (*offline).measures},
		{"Measure merges the rows of one entity and time, unless there are too many", (*offline).measuresMerged},
		{"Observations of many rows come in batches", (*offline).observationsMany},
		{"Remove takes back what a run brought", (*offline).removeRun},
		{"Remove takes back an observation, whole or some of its features", (*offline).removeOne},
		{"retractions are noted until they are told", (*offline).retractions},
		{"Remove tells entities apart whatever their keys are", (*offline).removeKeys},
		{"Remove finds nothing, and gives no number", (*offline).removeNothing},
		{"Remove keeps an open load of the run from committing", (*offline).removeOpen},
		{"Remove leaves earlier snapshots alone", (*offline).removeSnapshots},
		{"Remove does not go by an older definition", (*offline).removeOutdated},
		{"Remove narrows older rows, and widened features", (*offline).removeOlder},
		{"Remove survives a crash, and so do its notes", (*offline).removeCrash},
		{"Remove is safe when many call it: no number is seen before a lower one", (*offline).removeConcurrent},
		{"Remove does not hide rows that come in later", (*offline).removeAndAppend},
		{"Remove frees the ids of rows: one that comes again is stored, or to be sent once more, never left out", (*offline).removeIDs},
		{"Remove takes back what an entity has up to a time", (*offline).removeUpTo},
		{"Erase enters an entity, with a cut-off no earlier than anything of it", (*offline).erase},
		{"Erase of an entity that was erased before", (*offline).eraseAgain},
		{"Append of rows that were checked against an older ledger is refused", (*offline).eraseRefuses},
		{"a load takes rows that were checked against the ledger of its beginning", (*offline).eraseLoads},
		{"AwaitWrites waits for the loads that had begun", (*offline).awaitWrites},
		{"Enter takes what is new", (*offline).enter},
		{"Finish gives up what names the entity", (*offline).finish},
		{"Erasures come in pages", (*offline).erasures},
		{"what is erased under writers stays away", (*offline).eraseConcurrent},
		{"ForgetRemovals gives up the notes, and can be repeated", (*offline).forgetRemovals},
		{"AppendTogether keeps entries, in the transaction of rows and requests", (*offline).quarantineKeeps},
		{"AppendTogether that is refused keeps nothing", (*offline).quarantineRefused},
		{"an entry is replayed as it was read", (*offline).quarantineReplay},
		{"an entry is replayed once by many callers", (*offline).quarantineReplayOnce},
		{"entries are filtered and paged", (*offline).quarantineFilter},
		{"entries are discarded, expire and are forgotten, and counted all the same", (*offline).quarantineEnds},
		{"a group is not retired while entries wait", (*offline).quarantineRetired},
		{"entries of a load appear with its commit", (*offline).quarantineLoad},
		{"a load without rows commits its entries", (*offline).quarantineLoadAlone},
		{"a load that is broken off leaves no entries", (*offline).quarantineLoadBroken},
		{"Remove takes entries with their run or entity", (*offline).quarantineTakenBack},
		{"Erase minds entries", (*offline).quarantineErased},
		{"what is erased stays away from the quarantine", (*offline).quarantineConcurrent},
		{"Remove of a run takes what is being replayed", (*offline).quarantineRevertedReplay},
		{"Publish stores rows, and publishes ticks, with its commit", (*offline).publishFirst},
		{"Publish of the same again stores nothing", (*offline).publishAgain},
		{"Publish takes back what an earlier publication brought and this one does not, and nothing else", (*offline).publishTakesBack},
		{"Publish of rows that observe less takes the others back", (*offline).publishLess},
		{"Publish leaves later corrections, unless it says something new, and a revert gives them back", (*offline).publishCorrected},
		{"Publish goes by the newest generations", (*offline).publishGenerations},
		{"Publish compares many rows", (*offline).publishMany},
		{"Publish takes out what waits of the ticks, and has what was replayed", (*offline).publishQuarantine},
		{"Publish asks the fence last, and does nothing without its consent", (*offline).publishFenced},
		{"Publish that is broken off changes nothing", (*offline).publishBroken},
		{"Publish confirms other ticks", (*offline).publishConfirms},
		{"of publications of a tick at once one holds, whole", (*offline).publishAtOnce},
		{"Remove of a run ends what it published, and what stands on its rows", (*offline).unpublish},
		{"Retire ends what is published", (*offline).retirePublished},
		{"Late tells what came in and was taken back since, between ticks", (*offline).late},
		{"Observations in the order of entities, the oldest first", (*offline).oldest},
		{"the relation of a snapshot has its rows", (*offline).related},
		{"random publications leave what a model says", (*offline).publishRandom},
		{"Compact leaves a publication what it is compared with", (*offline).publishCompacted},
		{"Compact removes what newer rows of the same event time say too", (*offline).compactSuperseded},
		{"Compact lets only what is settled stand for others", (*offline).compactSettled},
		{"Compact goes by all generations, and by no older definition", (*offline).compactGenerations},
		{"Compact keeps the newest of what is past retention, and notes where it begins", (*offline).compactRetention},
		{"Compact removes events past retention, and their ids", (*offline).compactEvents},
		{"Compact takes entities of many rows, and ends at the caller's error", (*offline).compactMany},
		{"Compact minds open loads and removals", (*offline).compactHidden},
		{"Compact under writers and removals loses nothing", (*offline).compactConcurrent},
		{"IntegerBounds", (*offline).integerBounds},
		{"a row whose id is there is not stored again", (*offline).rowIDAppend},
		{"a row with an id is stored once by many writers", (*offline).rowIDConcurrent},
		{"a load leaves rows out whose ids are there", (*offline).rowIDLoad},
		{"a row with an id is stored once by loads and writers at once", (*offline).rowIDLoadAndAppend},
		{"EnsureLayout declares a row id, changes it and gives it up", (*offline).rowIDDeclared},
		{"random rows read as the oracle says", (*offline).random},
		{"GroupSize counts the rows of a group", (*offline).groupSize},
		{"GroupSize estimates what is too much to count", (*offline).groupSizeLarge},
		{"Ping", (*offline).ping},
	} {
		t.Run(c.says, func(t *testing.T) {
			o := &offline{T: t, ctx: context.Background(), engine: engine, store: engine.Open(t, "store")}
			defer func() { shut(t, o.store) }()
			c.run(o)
		})
	}
}

// offline is one test of an engine's history.
type offline struct {
	*testing.T
	ctx    context.Context
	engine OfflineEngine
	store  store.Offline
}

// shut closes a store. A test that failed in the middle of reading may have left it busy for ever.
func shut(t testing.TB, opened io.Closer) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- opened.Close() }()
	select {
	case err := <-done:
		assert.NoError(t, err)
	case <-time.After(20 * time.Second):
		assert.Fail(t, "the store cannot be closed")
	}
}

// noon is a time in the past that tests count from.
const noon int64 = 1_700_000_000_000_000

const second int64 = 1_000_000

// restart closes the store and opens it again.
func (o *offline) restart() {
	o.Helper()
	shut(o, o.store)
	o.store = o.engine.Open(o, "store")
}

func (o *offline) ensure(groups ...*registry.Group) {
	o.Helper()
	for _, g := range groups {
		_, err := o.store.EnsureLayout(o.ctx, g)
		require.NoError(o, err)
	}
}

func (o *offline) append(rows ...*store.Rows) {
	o.Helper()
	require.NoError(o, o.store.Append(o.ctx, rows))
}

// see appends observations of one group and returns the rows with their ids.
func (o *offline) see(group *registry.Group, seen ...Seen) *store.Rows {
	o.Helper()
	rows := RowsOf(group, seen...)
	o.append(rows)
	return rows
}

// snapshot is for the caller to close.
func (o *offline) snapshot() store.Snapshot {
	o.Helper()
	s, err := o.store.Snapshot(o.ctx)
	require.NoError(o, err)
	return s
}

// look runs f on a snapshot of this moment.
func (o *offline) look(f func(store.Snapshot)) {
	o.Helper()
	s := o.snapshot()
	defer func() { require.NoError(o, s.Close()) }()
	f(s)
}

// load brings rows in one load under a run's id.
func (o *offline) load(run int64, rows ...*store.Rows) {
	o.Helper()
	l := o.begin(rows[0].Group, run)
	for _, r := range rows {
		r.Run = run
		require.NoError(o, l.Add(o.ctx, r))
	}
	require.NoError(o, l.Commit(o.ctx))
}

func (o *offline) begin(group *registry.Group, run int64) store.Load {
	o.Helper()
	l, err := o.store.Load(o.ctx, group, run)
	require.NoError(o, err)
	return l
}

// entry is one observation as it was read.
type entry struct {
	key    string
	at     int64
	id     int64
	values []value.Value
}

// entries reads observations of a group in the order in which they come.
func (o *offline) entries(s store.Snapshot, group *registry.Group, of store.Range) []entry {
	o.Helper()
	var out []entry
	err := s.Observations(o.ctx, group, group.Features, of, func(rows *store.Rows) error {
		require.Equal(o, group.ID, rows.Group.ID)
		require.Equal(o, namesOf(group.Features), namesOf(rows.Features))
		for i, key := range rows.Keys {
			require.Equal(o, store.NewKey(key.Values).Encoded, key.Encoded)
			out = append(out, entry{key.Encoded, rows.EventTimes[i], rows.IngestIDs[i], asServed(group.Features, rows.Row(i))})
		}
		return nil
	})
	require.NoError(o, err)
	return out
}

// count is how many observations a group has now.
func (o *offline) count(group *registry.Group) int {
	o.Helper()
	n := 0
	o.look(func(s store.Snapshot) { n = len(o.entries(s, group, store.Range{})) })
	return n
}

// asOf reads all features of one entity.
func (o *offline) asOf(s store.Snapshot, group *registry.Group, key store.Key, at int64) []value.Value {
	o.Helper()
	current, err := s.AsOf(o.ctx, group, group.Features, []store.Key{key}, []int64{at}, nil)
	require.NoError(o, err)
	return asServed(group.Features, current.Values)
}

// asServed copies rows of values; older integers of a widened feature may come as either type, since the store makes them floats.
func asServed(features []*registry.Feature, values []value.Value) []value.Value {
	out := slices.Clone(values)
	for i := range out {
		if features[i%len(features)].ValueType == value.Float {
			out[i] = out[i].AsFloat()
		}
	}
	return out
}

// now reads all features of one entity from a snapshot of this moment.
func (o *offline) now(group *registry.Group, key store.Key) []value.Value {
	o.Helper()
	var values []value.Value
	o.look(func(s store.Snapshot) { values = o.asOf(s, group, key, noon+365*24*3600*second) })
	return values
}

// within fails if f is not done in time, where something that blocks would take for ever.
func (o *offline) within(limit time.Duration, f func(ctx context.Context) error) {
	o.Helper()
	ctx, cancel := context.WithTimeout(o.ctx, limit)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	select {
	case err := <-done:
		require.NoError(o, err)
	case <-time.After(limit):
		require.Fail(o, "it is held up")
	}
}

func namesOf(features []*registry.Feature) []string {
	names := make([]string, len(features))
	for i, f := range features {
		names[i] = f.Name
	}
	return names
}

func ints(i ...int64) []value.Value {
	out := make([]value.Value, len(i))
	for j := range i {
		out[j] = value.OfInt(i[j])
	}
	return out
}

func (o *offline) claim() {
	for range 2 {
		require.NoError(o, o.store.Claim(o.ctx, "installation one"))
		problem, ok := fault.As(o.store.Claim(o.ctx, "installation two"))
		require.True(o, ok)
		require.Equal(o, fault.Conflict, problem.Kind)
		o.restart()
	}
	require.NoError(o, o.store.Claim(o.ctx, "installation one"), "it was not taken away")
}

func (o *offline) identity() {
	one, err := o.store.Identity(o.ctx)
	require.NoError(o, err)
	require.NotEmpty(o, one)
	again, err := o.store.Identity(o.ctx)
	require.NoError(o, err)
	require.Equal(o, one, again)
	elsewhere := o.engine.Open(o, "other")
	other, err := elsewhere.Identity(o.ctx)
	require.NoError(o, err)
	require.NoError(o, elsewhere.Close())
	require.NotEqual(o, one, other)
	o.restart()
	again, err = o.store.Identity(o.ctx)
	require.NoError(o, err)
	require.Equal(o, one, again)
}

func (o *offline) ping() { require.NoError(o, o.store.Ping(o.ctx)) }
