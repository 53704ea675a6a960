#include "app/simulate/svg_chart.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/number.h"

namespace weir::app {
namespace {

constexpr double kLeft = 80;
constexpr double kWidth = 860;
constexpr double kTitleTop = 28;
constexpr double kTop = 50;
constexpr double kPanelTop = 40;
constexpr double kPanelHeight = 180;
constexpr double kPanelStep = 270;  // with its title above it and the seconds below
constexpr double kTitleAbove = 12;
constexpr double kLegendStep = 120;
constexpr double kRight = 30;
// So many lines of a grid, or half as many again.
constexpr double kLinesDown = 4;
constexpr double kLinesAcross = 12;

// 1, 2 or 5 times a power of ten: the least that makes at most `lines` steps.
double StepOf(double most, double lines) {
  const double power = std::pow(10, std::floor(std::log10(most / lines)));
  for (const double step : {power, 2 * power, 5 * power}) {
    if (step * lines >= most) return step;
  }
  return 10 * power;
}

// Of a place in the drawing.
std::string At(double value) { return base::Fixed(value, 1); }

// 51,200 and 0.25.
std::string Label(double value) {
  if (value < 10 && value != std::floor(value)) {
    std::array<char, 32> text{};
    return {text.data(), std::to_chars(text.data(), text.data() + text.size(), value,
                                       std::chars_format::general, 3)
                             .ptr};
  }
  std::string text = base::Fixed(value, 0);
  for (int at = static_cast<int>(text.size()) - 3; at > 0; at -= 3) {
    text.insert(static_cast<size_t>(at), 1, ',');
  }
  return text;
}

void Text(std::string& svg, double x, double y, std::string_view anchor, std::string_view text) {
  svg.append("<text x=\"" + At(x) + "\" y=\"" + At(y) + "\" text-anchor=\"");
  svg.append(anchor).append("\">").append(text).append("</text>\n");
}

void Rule(std::string& svg, double x1, double y1, double x2, double y2) {
  svg += "<path d=\"M" + At(x1) + " " + At(y1) + "L" + At(x2) + " " + At(y2) + "\"/>\n";
}

class Panel {
 public:
  Panel(const ChartPanel& panel, size_t seconds, double top)
      : panel_(panel), seconds_(static_cast<double>(seconds)), top_(top) {
    double most = 0;
    for (const ChartSeries& series : panel.series) {
      for (const double value : series.values) {
        if (value > most) most = value;
      }
    }
    if (most == 0) most = 1;
    step_ = StepOf(most, kLinesDown);
    most_ = step_ * std::ceil(most / step_);
  }

  void Draw(std::string& svg) const {
    Text(svg, kLeft, top_ - kTitleAbove, "start", panel_.title);
    svg += "<g stroke=\"#d8d8d8\">\n";
    for (double value = 0; value <= most_ * 1.001; value += step_) {
      Rule(svg, kLeft, Y(value), kLeft + kWidth, Y(value));
    }
    const double across = std::max(1.0, StepOf(seconds_, kLinesAcross));
    for (double second = 0; second <= seconds_; second += across) {
      Rule(svg, X(second), top_, X(second), top_ + kPanelHeight);
    }
    svg += "</g>\n";
    for (double value = 0; value <= most_ * 1.001; value += step_) {
      Text(svg, kLeft - 8, Y(value) + 4, "end", Label(value));
    }
    for (double second = 0; second <= seconds_; second += across) {
      Text(svg, X(second), top_ + kPanelHeight + 18, "middle", Label(second) + " s");
    }
    for (size_t i = 0; i < panel_.series.size(); ++i) {
      Line(svg, panel_.series[i]);
      Legend(svg, panel_.series[i], static_cast<double>(panel_.series.size() - i));
    }
  }

 private:
  double X(double second) const { return kLeft + second * kWidth / seconds_; }
  double Y(double value) const { return top_ + kPanelHeight - value * kPanelHeight / most_; }

  void Line(std::string& svg, const ChartSeries& series) const {
    svg.append("<path fill=\"none\" stroke-width=\"2\" stroke=\"").append(series.colour);
    svg += "\" d=\"";
    bool drawn = false;
    for (size_t i = 0; i < series.values.size(); ++i) {
      const double value = series.values[i];
      if (!std::isnan(value)) {
        const std::string y = At(Y(value));
        svg += drawn ? "V" + y : "M" + At(X(static_cast<double>(i))) + " " + y;
        svg += "H" + At(X(static_cast<double>(i + 1)));
      }
      drawn = !std::isnan(value);
    }
    svg += "\"/>\n";
  }

  void Legend(std::string& svg, const ChartSeries& series, double from_right) const {
    const double x = kLeft + kWidth - from_right * kLegendStep;
    const double y = top_ - kTitleAbove;
    svg.append("<path stroke-width=\"3\" stroke=\"").append(series.colour);
    svg += "\" d=\"M" + At(x) + " " + At(y - 4) + "h18\"/>\n";
    Text(svg, x + 24, y, "start", series.name);
  }

  const ChartPanel& panel_;
  const double seconds_;
  const double top_;
  double step_;
  double most_;
};

}  // namespace

std::string SvgChart(std::string_view title, const std::vector<ChartPanel>& panels) {
  const double width = kLeft + kWidth + kRight;
  const double height = kTop + static_cast<double>(panels.size()) * kPanelStep;
  const std::string size = " width=\"" + At(width) + "\" height=\"" + At(height) + "\"";
  std::string svg = "<svg xmlns=\"http://www.w3.org/2000/svg\"" + size +
                    " font-family=\"sans-serif\" font-size=\"13\">\n<rect fill=\"white\"" + size +
                    "/>\n";
  Text(svg, kLeft, kTitleTop, "start", title);
  for (size_t i = 0; i < panels.size(); ++i) {
    const double top = kTop + static_cast<double>(i) * kPanelStep + kPanelTop;
    Panel(panels[i], panels[i].series.front().values.size(), top).Draw(svg);
  }
  return svg + "</svg>\n";
}

}  // namespace weir::app
