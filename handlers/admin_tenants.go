package handlers

import (
	"compress/gzip"
	"context"
	"encoding/csv"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"flowhq/domain"
)

// tenantsPage is the operator's list of tenants.
type tenantsPage struct {
	Filter    domain.TenantFilter
	Query     string // of the address without the cursor
	Rows      []tenantRow
	Counts    []statusCount
	Total     int // that match, whatever their status
	Next      string
	Paged     bool // not the first page
	Replicas  []string
	Templates []domain.TemplateType
	Sorts     []domain.TenantSort
	Filtered  bool
}

// Matching are the tenants on all pages of this list.
func (p tenantsPage) Matching() int {
	for _, c := range p.Counts {
		if c.Status == p.Filter.Status {
			return c.N
		}
	}
	return p.Total
}

type statusCount struct {
	Status domain.TenantStatus
	N      int
}

type tenantRow struct {
	domain.TenantRow
	Health domain.Health
	Hint   string // why it is not well
}

var tenantStatuses = []domain.TenantStatus{domain.TenantError, domain.TenantQRPending, domain.TenantNew, domain.TenantPaused, domain.TenantActive}

// inOrder are the counts of all states, those that need somebody first, and their sum.
func inOrder(counts map[domain.TenantStatus]int) (all []statusCount, total int) {
	for _, st := range tenantStatuses {
		all = append(all, statusCount{st, counts[st]})
		total += counts[st]
	}
	return all, total
}

// tenantFilter reads the filter of the address; words that are not known do not narrow.
func tenantFilter(c *gin.Context) domain.TenantFilter {
	f := domain.TenantFilter{Scope: domain.Scope{Admin: true}, Search: firstBytes(domain.CleanText(c.Query("q")), domain.MaxNameLength),
		Replica: domain.CleanText(c.Query("replica"))}
	if st := domain.TenantStatus(c.Query("status")); slices.Contains(tenantStatuses, st) {
		f.Status = st
	}
	if kind := domain.TemplateType(c.Query("template")); slices.Contains(domain.TemplateTypes(), kind) {
		f.Template = kind
	}
	if sort := domain.TenantSort(c.Query("sort")); slices.Contains(tenantSorts, sort) {
		f.Sort, f.Reverse = sort, c.Query("dir") == "desc"
	}
	return f
}

var tenantSorts = []domain.TenantSort{domain.SortNewest, domain.SortName, domain.SortStatus, domain.SortLastSeen}

func (s *Server) showTenants(c *gin.Context) error {
	page, err := s.tenantsPage(c)
	if err != nil {
		return err
	}
	return s.page(c, http.StatusOK, "admin/tenants", page)
}

func (s *Server) liveTenants() liveFragment {
	return liveFragment{page: "admin/tenants", block: "rows",
		version: s.tenantsVersion,
		load:    func(c *gin.Context) (any, error) { return s.tenantsPage(c) }}
}

func (s *Server) tenantsVersion(*gin.Context) (string, func(context.Context) (string, error)) {
	return tenantsKey, s.Versions.TenantsVersion
}

const tenantsPerPage = 50

func (s *Server) tenantsPage(c *gin.Context) (tenantsPage, error) {
	ctx, f := c.Request.Context(), tenantFilter(c)
	q := c.Request.URL.Query()
	q.Del("cursor")
	page := tenantsPage{Filter: f, Query: q.Encode(), Templates: domain.TemplateTypes(), Sorts: tenantSorts, Paged: c.Query("cursor") != "",
		Filtered: f.Search != "" || f.Status != "" || f.Template != "" || f.Replica != ""}
	rows, err := s.Operations.Rows(ctx, f, midnight(domain.Now()), domain.PageQuery{Limit: tenantsPerPage, Cursor: c.Query("cursor")})
	if err != nil {
		return page, err
	}
	page.Next = rows.NextCursor
	for _, r := range rows.Items {
		page.Rows = append(page.Rows, tenantRow{TenantRow: r, Health: r.Health(), Hint: s.speak(c).detail(hintOf(r.TenantView))})
	}
	counts, err := s.Operations.CountTenants(ctx, f)
	if err != nil {
		return page, err
	}
	page.Counts, page.Total = inOrder(counts)
	page.Replicas, err = s.Operations.ReplicaNames(ctx)
	return page, err
}

// hintOf is the last error of a tenant that is not well.
func hintOf(v domain.TenantView) string {
	if h := v.Health(); h.Tone() == "good" || h.Tone() == "off" {
		return ""
	}
	return v.Session.ReasonDetail
}

// midnight is the beginning of the operator's day.
func midnight(now time.Time) time.Time {
	local := now.In(zoneOf(operatorZone))
	return time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, local.Location()).UTC()
}

// exportTenants writes the list as CSV: what the filter matches, all pages.
func (s *Server) exportTenants(c *gin.Context) error {
	f, out := tenantFilter(c), &lazyCSV{c: c, name: "tenants.csv"}
	// Noted before the first row: whoever breaks the download off has read it too.
	s.audit(c, domain.AuditEntry{Action: domain.AuditTenantExport, After: asJSON(map[string]string{"filter": c.Request.URL.RawQuery})})
	err := s.Operations.EachTenant(c.Request.Context(), f, midnight(domain.Now()), func(r domain.TenantRow) error {
		return out.write(r.ID.String(), r.Name, r.Config.BusinessName, r.Phone.Digits(), string(r.Status), string(r.Health()), string(r.Config.Template), string(r.Config.Language),
			r.Config.Timezone, string(r.Session.State), csvTime(r.Session.LastSeenAt), string(r.Worker.Status), r.Worker.Replica, string(r.Session.Reason), strconv.Itoa(r.InToday),
			strconv.Itoa(r.OutToday), r.CreatedAt.Format(time.RFC3339))
	})
	if err == nil {
		err = out.close()
	}
	if err != nil && !out.begun {
		return err
	}
	if err != nil {
		s.Logger.Warn("an export ended early", "error", err)
		panic(http.ErrAbortHandler) // the browser must see that the file is not whole
	}
	return nil
}

var tenantColumns = []string{"id", "name", "business_name", "phone_number", "status", "health", "template", "language", "timezone", "session", "last_seen_at",
	"worker", "replica", "reason", "in_today", "out_today", "created_at"}

func csvTime(at *time.Time) string {
	if at == nil {
		return ""
	}
	return at.Format(time.RFC3339)
}

// lazyCSV begins the answer with the first row, so that an error before it is
// still an error page. It compresses by itself: the middleware would write the
// end of the compressed file whatever happens, and a file that is broken off
// must not have one.
type lazyCSV struct {
	c      *gin.Context
	name   string
	begun  bool
	w      *csv.Writer
	packed *gzip.Writer // nil for a browser that wants it as it is
}

func (l *lazyCSV) begin() error {
	if l.begun {
		return nil
	}
	l.begun = true
	var out io.Writer = l.c.Writer
	l.c.Header("Content-Type", "text/csv; charset=utf-8")
	l.c.Header("Content-Disposition", `attachment; filename="`+l.name+`"`)
	l.c.Writer.Header().Add("Vary", "Accept-Encoding")
	if strings.Contains(l.c.GetHeader("Accept-Encoding"), "gzip") {
		l.c.Header("Content-Encoding", "gzip")
		l.packed = gzip.NewWriter(out)
		out = l.packed
	}
	if _, err := io.WriteString(out, "\uFEFF"); err != nil { // spreadsheets take it for UTF-8
		return err
	}
	l.w = csv.NewWriter(out)
	return l.w.Write(tenantColumns)
}

func (l *lazyCSV) write(cells ...string) error {
	if err := l.begin(); err != nil {
		return err
	}
	for i, cell := range cells {
		cells[i] = formulaSafe(cell)
	}
	return l.w.Write(cells)
}

func (l *lazyCSV) close() error {
	if err := l.begin(); err != nil {
		return err
	}
	l.w.Flush()
	if err := l.w.Error(); err != nil || l.packed == nil {
		return err
	}
	return l.packed.Close()
}

// formulaSafe keeps spreadsheets from taking a text for a formula.
func formulaSafe(cell string) string {
	if cell == "" {
		return cell
	}
	switch cell[0] {
	case '=', '+', '-', '@', '\t', '\r', '\n', 0:
		return "'" + cell
	}
	return cell
}

// With is the address of this list with one parameter replaced.
func (p tenantsPage) With(name, value string) string {
	q, _ := url.ParseQuery(p.Query) // it was encoded here
	q.Del(name)
	if value != "" {
		q.Set(name, value)
	}
	return withFilter(tenantsPath, q.Encode())
}

// Export is the address of all that the filter matches as one file.
func (p tenantsPage) Export() string { return withFilter(tenantsPath+".csv", p.Query) }

const tenantsPath = "/admin/tenants"

func withFilter(path, query string) string {
	if query == "" {
		return path
	}
	return path + "?" + query
}
