#include "app/simulate/report.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <limits>

#include "app/simulate/svg_chart.h"
#include "base/number.h"

namespace weir::app {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr double kNsPerMs = 1e6;
constexpr std::string_view kGrey = "#888888";
constexpr std::string_view kBlue = "#0060c0";
constexpr std::string_view kRed = "#d03020";
constexpr std::string_view kGreen = "#208040";
// By class; told apart by those who do not see colours well, too (Okabe and Ito).
constexpr std::array<std::string_view, guard::kCriticalities> kClassColours = {
    "#d55e00", "#0072b2", "#009e73", "#e69f00", "#cc79a7"};

template <class Second, class Value>
ChartSeries Series(std::string_view name, std::string_view colour,
                   const std::vector<Second>& seconds, Value value) {
  ChartSeries series{.name = std::string(name), .colour = colour, .values = {}};
  series.values.reserve(seconds.size());
  for (const Second& second : seconds) series.values.push_back(value(second));
  return series;
}

std::vector<size_t> ClassesOf(const std::vector<ServedSecond>& seconds) {
  std::vector<size_t> classes;
  for (size_t i = 0; i < guard::kCriticalities; ++i) {
    const bool comes = std::ranges::any_of(
        seconds, [i](const ServedSecond& second) { return second.by_class[i].offered > 0; });
    if (comes) classes.push_back(i);
  }
  return classes;
}

std::string ClassName(size_t i) {
  return std::string(guard::Name(static_cast<guard::Criticality>(i)));
}

void Append(std::string& csv, std::initializer_list<int64_t> numbers) {
  for (const int64_t number : numbers) csv.append(",").append(std::to_string(number));
}

}  // namespace

std::string ToCsv(const std::vector<ReplayedSecond>& seconds) {
  std::string csv = "second,offered,passed,refused,failed,state\n";
  for (size_t i = 0; i < seconds.size(); ++i) {
    const ReplayedSecond& second = seconds[i];
    csv += std::to_string(i);
    Append(csv, {second.offered, second.passed, second.refused, second.failed});
    csv.append(",").append(second.state).append("\n");
  }
  return csv;
}

std::string ToCsv(const std::vector<ServedSecond>& seconds) {
  const std::vector<size_t> classes = ClassesOf(seconds);
  std::string csv =
      "second,offered,passed,refused,failed,answered,wait_p99_ms,limit_low,limit_high,"
      "processor_share";
  for (const size_t of : classes) {
    csv += "," + ClassName(of) + "_offered," + ClassName(of) + "_refused";
  }
  csv += "\n";
  for (size_t i = 0; i < seconds.size(); ++i) {
    const ServedSecond& second = seconds[i];
    const ServedSecond::Class all = second.all();
    csv += std::to_string(i);
    Append(csv,
           {all.offered, all.offered - all.refused, all.refused, second.failed, second.answered});
    csv += "," + base::Fixed(base::ToDouble(second.wait_p99_ns) / kNsPerMs, 2);
    Append(csv, {second.limit_low, second.limit_high});
    csv += "," + base::Fixed(second.processor_share, 3);
    for (const size_t of : classes) {
      Append(csv, {second.by_class[of].offered, second.by_class[of].refused});
    }
    csv += "\n";
  }
  return csv;
}

std::string ToSvg(std::string_view title, const std::vector<ReplayedSecond>& seconds) {
  using Second = ReplayedSecond;
  return SvgChart(title,
                  {{.title = "calls a second",
                    .series = {Series("offered", kGrey, seconds,
                                      [](const Second& s) { return base::ToDouble(s.offered); }),
                               Series("passed", kBlue, seconds,
                                      [](const Second& s) { return base::ToDouble(s.passed); }),
                               Series("of them failed", kRed, seconds,
                                      [](const Second& s) { return base::ToDouble(s.failed); })}}});
}

std::string ToSvg(std::string_view title, const std::vector<ServedSecond>& seconds) {
  using Second = ServedSecond;
  std::vector<ChartPanel> panels = {
      {.title = "calls a second",
       .series = {Series("offered", kGrey, seconds,
                         [](const Second& s) { return base::ToDouble(s.all().offered); }),
                  Series("answered", kBlue, seconds,
                         [](const Second& s) { return base::ToDouble(s.answered); })}},
      {.title = "refused, % of what came of each class", .series = {}},
      {.title = "wait of 99 % of what was answered, at most, in ms",
       .series = {Series("wait", kBlue, seconds,
                         [](const Second& s) {
                           return s.answered == 0 ? kNone
                                                  : base::ToDouble(s.wait_p99_ns) / kNsPerMs;
                         })}},
      {.title = "reports that may wait for the disk, where that is limited",
       .series = {Series("limit", kGreen, seconds, [](const Second& s) {
         return s.limit_high == 0 ? kNone : base::ToDouble(s.limit_high);
       })}}};
  for (const size_t of : ClassesOf(seconds)) {
    panels[1].series.push_back(
        Series(ClassName(of), kClassColours[of], seconds, [of](const Second& s) {
          const auto& counts = s.by_class[of];
          return counts.offered == 0
                     ? kNone
                     : 100 * base::ToDouble(counts.refused) / base::ToDouble(counts.offered);
        }));
  }
  return SvgChart(title, panels);
}

}  // namespace weir::app
