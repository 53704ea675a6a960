// What understanding one report costs: build/release/bench/clinical/bench_clinical, run from the
// project's root. What runs on the server's loop for each report is LookAt.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "clinical/evaluate.h"

namespace weir::clinical {
namespace {

const Catalog& Instruments() {
  static const std::shared_ptr<const Catalog> catalog = [] {
    auto loaded = Catalog::Load("config/instruments");
    if (!loaded) {
      std::fprintf(stderr, "%s\n", loaded.error().message.c_str());
      std::exit(1);
    }
    return *loaded;
  }();
  return *catalog;
}

// Ten answers by code; item 9 is 0, the total 6.
const std::string kCodes =
    R"({"44250-9":"LA6569-3","44255-8":"LA6569-3","44259-0":"LA6570-1","44254-1":"LA6569-3",)"
    R"("44251-7":"LA6568-5","44258-2":"LA6568-5","44252-5":"LA6569-3","44253-3":"LA6568-5",)"
    R"("44260-8":"LA6568-5","69722-7":"LA6573-5"})";
const std::string kNumbers =
    R"({"44250-9":1,"44255-8":1,"44259-0":2,"44254-1":1,"44251-7":0,"44258-2":0,"44252-5":1,)"
    R"("44253-3":0,"44260-8":0,"69722-7":"LA6573-5"})";
const std::string kTexts =
    R"({"44250-9":"Several days","44255-8":"Several days","44259-0":"More than half the days",)"
    R"("44254-1":"Several days","44251-7":"Not at all","44258-2":"Not at all",)"
    R"("44252-5":"Several days","44253-3":"Not at all","44260-8":"Not at all",)"
    R"("69722-7":"Somewhat difficult"})";

std::string Response() {
  std::string json = R"({"resourceType":"QuestionnaireResponse","status":"completed","item":[)";
  for (const Item& item : Instruments().Find("phq9")->items()) {
    if (item.options.empty()) continue;
    json += R"({"linkId":"/)" + item.address +
            R"(","answer":[{"valueCoding":{"system":"http://loinc.org","code":")" +
            item.options[0].code + R"(","display":")" + item.options[0].display + R"("}}]},)";
  }
  json.back() = ']';
  return json + "}";
}

const std::string& Data(int64_t form) {
  static const std::string response = Response();
  const std::string* const forms[] = {&kCodes, &kNumbers, &kTexts, &response};
  return *forms[form];
}

constexpr const char* kForms[] = {"codes", "numbers", "texts", "QuestionnaireResponse"};

void BenchLinkIdsAndInfer(benchmark::State& state) {
  const std::string& data = Data(state.range(0));
  state.SetLabel(kForms[state.range(0)]);
  for (auto _ : state) benchmark::DoNotOptimize(Instruments().Infer(LinkIds(data)));
}

void BenchTriage(benchmark::State& state) {
  const Definition& phq9 = *Instruments().Find("phq9");
  const std::string& data = Data(state.range(0));
  state.SetLabel(kForms[state.range(0)]);
  for (auto _ : state) benchmark::DoNotOptimize(TriageReport(phq9, data));
}

void BenchLookAt(benchmark::State& state) {
  const std::string& data = Data(state.range(0));
  state.SetLabel(kForms[state.range(0)]);
  for (auto _ : state) benchmark::DoNotOptimize(LookAt(Instruments(), {}, data));
}

void BenchEvaluate(benchmark::State& state) {
  const Definition& phq9 = *Instruments().Find("phq9");
  const std::string& data = Data(state.range(0));
  const ReportTimes times{1'700'000'000'000, 1'699'999'990'000};
  state.SetLabel(kForms[state.range(0)]);
  for (auto _ : state) benchmark::DoNotOptimize(Evaluate(&phq9, data, times));
}

BENCHMARK(BenchLinkIdsAndInfer)->DenseRange(0, 3);
BENCHMARK(BenchTriage)->DenseRange(0, 3);
BENCHMARK(BenchLookAt)->DenseRange(0, 3);
BENCHMARK(BenchEvaluate)->DenseRange(0, 3);

}  // namespace
}  // namespace weir::clinical

BENCHMARK_MAIN();
