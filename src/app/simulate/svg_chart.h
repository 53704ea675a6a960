// Counts per second as a drawing: panels one below the other over the same seconds, each with its
// own scale, a grid and a legend. Opens in any browser.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace weir::app {

struct ChartSeries {
  std::string name;
  std::string_view colour;  // of CSS
  // One a second, none negative, drawn as steps. NaN: none in that second.
  std::vector<double> values;
};

struct ChartPanel {
  std::string title;  // says the unit
  std::vector<ChartSeries> series;
};

// Text is written as it is: it must have no <, > or &. Every series has as many values as the
// first.
std::string SvgChart(std::string_view title, const std::vector<ChartPanel>& panels);

}  // namespace weir::app
