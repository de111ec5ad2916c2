// Package labkit records whether user experiences start, proceed and end, and
// sends that to the tracker.
//
// A program makes one client and keeps it:
//
//	client, err := labkit.New(labkit.Config{
//		Endpoint:    "http://127.0.0.1:8480",
//		Definitions: "config/user_experience_slis",
//		Type:        "web",
//	})
//
// An experience is started where the user acts and ends with the function:
//
//	func createOrder(ctx context.Context) (err error) {
//		ctx, xp := client.Start(ctx, "create_order", labkit.String("kind", "gift"))
//		defer xp.Done(&err)
//		...
//		xp.Checkpoint("form_posted", labkit.Int("items", 3))
//
// or is a block: [Client.Do].
//
// # What it does to its host
//
// Nothing here blocks, except [Client.Flush], [Client.Shutdown] and
// [Testing.Take], and nothing ever fails because of the tracker, the network
// or the disk: such losses are counted, see [Client.Stats].
//
// Mistakes of the program itself (a reserved key, an unknown id) depend on
// [Config.Strict]. In development and test they panic with an [*Error] that
// names the status, as an exception would elsewhere. In production the call
// goes on without what was wrong, and the first mistake of a kind is logged, at
// most once a minute. Calls on an experience that never started, or is over,
// are silent no-ops in both.
//
// # Builds
//
// With cgo the library is linked into the program, or, with the tag
// labkit_shared, loaded by the system's loader. Without cgo the program loads it
// with its first client: LABKIT_LIBRARY names it by an absolute path, or the
// loader searches for it. With the tag labkit_null there is none, and every
// client is a null one.
//
// # Nil is null
//
// A nil [*Client], [*Definition] or [*Experience] is a null one: each method is
// a no-op, and [Client.Do] still runs its function. So a program may go on when
// New has failed, and code may call FromContext without asking whether
// anybody started.
//
// # Goroutines
//
// Everything is safe for concurrent use. Experiences live in a
// [context.Context]: what a goroutine sees as active is what its context holds.
//
// # What it does not do
//
// It does not trace, aggregate or sample, and it keeps no life cycle of its
// own: the library behind include/labkit.h decides what a call means.
package labkit
