package stripe

// Route is one row of the surface, for tests that walk all of it.
type Route struct {
	Method, Path string
	Params       []string
	Object       string
	Public, List bool
}

// Routes lists the whole surface.
func Routes() []Route {
	var all []Route
	for _, ep := range (&API{}).endpoints() {
		all = append(all, Route{Method: ep.method, Path: ep.path, Params: ep.params, Object: ep.object, Public: ep.public, List: ep.list})
	}
	return all
}

// Versions lists every published version, oldest first.
func Versions() []string { return versions }

// Transport lists the parameters every endpoint takes.
func Transport() []string { return transport }

// Telemetry lists what browsers add to publishable-key calls.
func Telemetry() []string { return telemetry }

// SupportedCurrencies is the list in the message about an unknown currency.
var SupportedCurrencies = supportedCurrencies

// DifferenceDates are the versions of all differences, in the order they apply.
func DifferenceDates() []string {
	var dates []string
	for _, d := range differences {
		dates = append(dates, d.from)
	}
	return dates
}

// LimitSockets bounds the sockets of the command line tool.
func (a *API) LimitSockets(n int) { a.listeners.max = n }

// HoldReports takes places of reports until release is called.
func (a *API) HoldReports(runs ...string) (release func()) {
	var leaves []func()
	for _, run := range runs {
		if leave, ok := a.reports.enter(run); ok {
			leaves = append(leaves, leave)
		}
	}
	return func() {
		for _, leave := range leaves {
			leave()
		}
	}
}

// LimitReports makes reports larger than that many bytes fail.
func (a *API) LimitReports(bytes int) { a.reportMax = bytes }

// CanExpand reports whether a path below an object can be expanded.
func CanExpand(version, object string, parts []string) bool { return canExpand(version, object, parts) }

// Unpacked is what was packed to be stored.
func Unpacked(stored []byte) ([]byte, error) { return dictionary().Unpack(stored) }
