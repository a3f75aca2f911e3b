package prometheus

import (
	"cmp"
	"context"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

// A column and a line of Grafana's grid in a picture, whose panels have a margin; in points.
const (
	column vg.Length = 45
	line   vg.Length = 32
	margin vg.Length = 8
)

// picture draws the dashboard as Grafana lays it out, to be looked at: go test -artifacts
// -outputdir <folder> says where. It fails where a legend is empty or names two series.
func picture(ctx context.Context, t *testing.T, data history, panels []panel) {
	t.Helper()
	last := panels[len(panels)-1].GridPos
	canvas := vgimg.New(24*column, vg.Length(last.Y+last.H)*line)
	all := draw.New(canvas)
	all.SetColor(color.White)
	all.Fill(all.Rectangle.Path())
	for _, p := range panels {
		top := all.Max.Y - vg.Length(p.GridPos.Y)*line
		area := draw.Canvas{Canvas: all.Canvas, Rectangle: vg.Rectangle{
			Min: vg.Point{X: vg.Length(p.GridPos.X)*column + margin, Y: top - vg.Length(p.GridPos.H)*line + margin},
			Max: vg.Point{X: vg.Length(p.GridPos.X+p.GridPos.W)*column - margin, Y: top - margin},
		}}
		switch drawn := plot.New(); p.Type {
		case "row":
			write(drawn, area, p.Title)
		case "timeseries":
			p.graph(ctx, t, drawn, data)
			drawn.Draw(area)
		default:
			write(drawn, area, append([]string{p.Title, ""}, p.values(ctx, t, data.series())...)...)
		}
	}
	file, err := os.Create(filepath.Join(t.ArtifactDir(), "dashboard.png"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := png.Encode(file, canvas.Image()); err != nil {
		t.Error(err)
	}
}

// write fills an area with lines.
func write(style *plot.Plot, area draw.Canvas, lines ...string) {
	text := style.Title.TextStyle
	text.XAlign, text.YAlign = draw.XLeft, draw.YTop
	area.FillText(text, vg.Point{X: area.Min.X, Y: area.Max.Y}, strings.Join(lines, "\n"))
}

// graph has the lines of a panel's queries.
func (p panel) graph(ctx context.Context, t *testing.T, drawn *plot.Plot, data history) {
	t.Helper()
	samples := data[0].samples
	from, to := time.UnixMilli(samples[0].T()), time.UnixMilli(samples[len(samples)-1].T())
	drawn.Title.Text, drawn.Y.Label.Text, drawn.Y.Min = p.Title, p.FieldConfig.Defaults.Unit, 0
	drawn.X.Tick.Marker, drawn.Legend.Top, drawn.Legend.Left = plot.TimeTicks{Format: time.TimeOnly}, true, true
	seen := map[string]bool{}
	for _, target := range p.Targets {
		q, err := engine().NewRangeQuery(ctx, data.series(), nil, target.query(), from, to, scrapeEvery)
		if err != nil {
			t.Fatalf("%s: %v", p.Title, err)
		}
		matrix, err := q.Exec(ctx).Matrix()
		if err != nil {
			t.Fatalf("%s: %v", p.Title, err)
		}
		for _, s := range matrix {
			legend := target.legend(s.Metric)
			if strings.TrimSpace(legend) == "" && len(matrix) > 1 || seen[legend] {
				t.Errorf("%s has the legend %q of %s", p.Title, legend, s.Metric)
			}
			seen[legend] = true
			var points plotter.XYs
			for _, f := range s.Floats {
				if !math.IsNaN(f.F) {
					points = append(points, plotter.XY{X: float64(f.T) / 1000, Y: f.F})
				}
			}
			if len(points) == 0 {
				continue
			}
			curve, err := plotter.NewLine(points)
			if err != nil {
				t.Fatalf("%s: %v", p.Title, err)
			}
			curve.Color = plotutil.Color(len(seen))
			drawn.Add(curve)
			drawn.Legend.Add(legend, curve)
		}
		q.Close()
	}
	drawn.Y.Min, drawn.Y.Max = 0, cmp.Or(drawn.Y.Max*1.5, 1) // the legend is above the lines
}

// values are what a panel without lines says.
func (p panel) values(ctx context.Context, t *testing.T, data series) (lines []string) {
	t.Helper()
	for _, target := range p.Targets {
		for _, s := range query(ctx, t, data, target.query(), time.Now()) {
			lines = append(lines, p.value(s)+"   "+cmp.Or(target.legend(s.Metric), s.Metric.String()))
		}
	}
	slices.Sort(lines)
	return lines
}

// value is a number in the panel's unit.
func (p panel) value(s promql.Sample) string {
	if p.FieldConfig.Defaults.Unit == "dateTimeFromNow" { // in milliseconds
		return time.Since(time.UnixMilli(int64(s.F))).Round(time.Second).String() + " ago"
	}
	return strconv.FormatFloat(s.F, 'g', 4, 64)
}

var placeholder = regexp.MustCompile(`{{(\w+)}}`)

// legend is what a series is called.
func (q target) legend(of labels.Labels) string {
	return placeholder.ReplaceAllStringFunc(q.LegendFormat, func(found string) string { return of.Get(strings.Trim(found, "{}")) })
}
