#include "observe/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <mutex>
#include <sstream>
#include <unordered_map>
#include <vector>

#include "observe/counters.h"

namespace weir::observe {
namespace {

constexpr double kNsPerSecond = 1e9;

class Collecting final : public Sample {
 public:
  void Counter(std::string_view name, std::string_view help, double value, Labels labels) override {
    Add(name, help, prometheus::MetricType::Counter, labels).counter.value = value;
  }
  void Gauge(std::string_view name, std::string_view help, double value, Labels labels) override {
    Add(name, help, prometheus::MetricType::Gauge, labels).gauge.value = value;
  }
  void Histogram(std::string_view name, std::string_view help, const HistogramSnapshot& snapshot,
                 Labels labels) override {
    auto& histogram = Add(name, help, prometheus::MetricType::Histogram, labels).histogram;
    uint64_t cumulative = 0;
    for (size_t i = 0; i < kDurationBoundsNs.size(); ++i) {
      cumulative += snapshot.counts[i];
      histogram.bucket.push_back(
          {cumulative, static_cast<double>(kDurationBoundsNs[i]) / kNsPerSecond});
    }
    histogram.sample_count = snapshot.count();
    histogram.sample_sum = static_cast<double>(snapshot.sum_ns) / kNsPerSecond;
  }
  const std::vector<prometheus::MetricFamily>& families() const { return families_; }

 private:
  prometheus::ClientMetric& Add(std::string_view name, std::string_view help,
                                prometheus::MetricType type, Labels labels) {
    const auto [at, is_new] = index_.try_emplace(std::string(name), families_.size());
    if (is_new) families_.push_back({std::string(name), std::string(help), type, {}});
    auto& metric = families_[at->second].metric.emplace_back();
    for (const Label& label : labels) {
      metric.label.push_back({std::string(label.name), std::string(label.value)});
    }
    return metric;
  }

  std::vector<prometheus::MetricFamily> families_;
  std::unordered_map<std::string, size_t> index_;
};

}  // namespace

struct Metrics::State {
  std::mutex mutex;
  std::vector<Collector> collectors;
};

Metrics::Metrics() : state_(std::make_unique<State>()) {}
Metrics::~Metrics() = default;

void Metrics::Add(Collector collector) {
  const std::lock_guard lock(state_->mutex);
  state_->collectors.push_back(std::move(collector));
}

void Metrics::Clear() {
  const std::lock_guard lock(state_->mutex);
  state_->collectors.clear();
}

std::string Metrics::Scrape() const {
  Collecting sample;
  {
    const std::lock_guard lock(state_->mutex);
    for (const Collector& collect : state_->collectors) collect(sample);
  }
  std::ostringstream out;
  prometheus::TextSerializer{}.Serialize(out, sample.families());
  return std::move(out).str();
}

Metrics::Collector BuildInfo(std::string version, std::string name) {
  return [version = std::move(version), name = std::move(name)](Sample& sample) {
    sample.Gauge("weir_build_info", "The program's version, and this instance's name; always 1.", 1,
                 {{"version", version}, {"name", name}});
  };
}

}  // namespace weir::observe
