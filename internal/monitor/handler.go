package monitor

import (
	"encoding/json"
	"net/http"
	"net/http/pprof"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/rtmptool/rtmptool/internal/status"
)

// newHandler answers /healthz, /metrics and with debug /debug/pprof/.
func newHandler(sampler *status.Sampler, debug bool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { healthz(w, sampler) })
	mux.Handle("GET /metrics", promhttp.HandlerFor(newRegistry(sampler), promhttp.HandlerOpts{MaxRequestsInFlight: maxScrapes}))
	if debug {
		mux.HandleFunc("/debug/pprof/", pprof.Index)
		mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	}
	return mux
}

// healthz answers 200 for as long as streams are taken, also when some are not
// recorded: whoever restarts a server for want of a 200 would cut off the others.
// 503 means that it is stopping.
func healthz(w http.ResponseWriter, sampler *status.Sampler) {
	snap := sampler.Snapshot()
	code := http.StatusOK
	if snap.State != status.Serving {
		code = http.StatusServiceUnavailable
	}
	body, err := json.Marshal(snap.Health())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_, _ = w.Write(append(body, '\n')) // whoever asked may be gone
}
