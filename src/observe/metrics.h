// Metrics in Prometheus' text format, collected when they are asked for.
//
// Nothing is counted here. Whoever counts keeps plain values (see counters.h) and registers a
// function that copies them into a Sample at each scrape. Names are `weir_<part>_<what>_<unit>`,
// counters end in `_total`; every name is explained in docs/operations.md. Labels have few values,
// known in advance: tasks, routes' templates, classes of status; never an id.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace weir::observe {

struct HistogramSnapshot;

struct Label {
  std::string_view name;
  std::string_view value;
};
using Labels = std::initializer_list<Label>;

// One scrape in the making. Values given under the same name in one scrape become one family; its
// help is the first one given.
class Sample {
 public:
  virtual ~Sample() = default;
  virtual void Counter(std::string_view name, std::string_view help, double value,
                       Labels labels = {}) = 0;
  virtual void Gauge(std::string_view name, std::string_view help, double value,
                     Labels labels = {}) = 0;
  // In seconds, as Prometheus wants durations.
  virtual void Histogram(std::string_view name, std::string_view help,
                         const HistogramSnapshot& snapshot, Labels labels = {}) = 0;
};

// Any thread. Collectors run one after the other, on the thread that scrapes, and must not block.
class Metrics {
 public:
  using Collector = std::function<void(Sample&)>;

  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  void Add(Collector collector);
  // Forgets all collectors, and waits for a scrape that runs them: what they look at may go then.
  void Clear();

  static constexpr std::string_view kContentType = "text/plain; version=0.0.4; charset=utf-8";
  std::string Scrape() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// weir_process_*: memory, CPU, descriptors, threads, uptime, and what the allocator holds.
void CollectProcess(Sample& sample);
// weir_build_info{version,name}.
Metrics::Collector BuildInfo(std::string version, std::string name);

}  // namespace weir::observe
