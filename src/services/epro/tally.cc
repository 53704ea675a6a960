#include "services/epro/tally.h"

#include <simdjson.h>

#include "base/json_writer.h"

namespace weir::epro {
namespace {

using base::ErrorCode;
using base::Fail;
using base::Status;

template <class Visit>
Status ForEachPair(std::string_view json, Visit visit) {
  thread_local simdjson::dom::parser parser;
  simdjson::dom::array pairs;
  bool good = parser.parse(json.data(), json.size()).get(pairs) == simdjson::SUCCESS;
  for (auto pair = pairs.begin(); good && pair != pairs.end(); ++pair) {
    simdjson::dom::element first;
    uint64_t count = 0;
    good = (*pair).at(0).get(first) == simdjson::SUCCESS &&
           (*pair).at(1).get(count) == simdjson::SUCCESS && visit(first, count);
  }
  if (!good) return Fail(ErrorCode::kCorruption, "a distribution in the store cannot be read");
  return {};
}

}  // namespace

void Tally::Merge(const Tally& other) {
  received += other.received;
  late += other.late;
  scored += other.scored;
  for (const auto& [band, count] : other.bands) bands[band] += count;
  for (const auto& [score, count] : other.scores) scores[score] += count;
}

double Tally::ScoreAt(uint64_t rank) const {
  uint64_t seen = 0;
  for (const auto& [score, count] : scores) {
    seen += count;
    if (seen >= rank) return score;
  }
  return scores.empty() ? 0 : scores.rbegin()->first;
}

std::optional<double> Tally::Median() const {
  if (scored == 0) return std::nullopt;
  return (ScoreAt((scored + 1) / 2) + ScoreAt(scored / 2 + 1)) / 2;
}

std::optional<double> Tally::P95() const {
  if (scored == 0) return std::nullopt;
  return ScoreAt((scored * 95 + 99) / 100);
}

std::string Tally::BandsJson() const {
  std::string out;
  base::JsonWriter json(out);
  json.BeginArray();
  for (const auto& [band, count] : bands) json.BeginArray().String(band).Number(count).EndArray();
  json.EndArray();
  return out;
}

std::string Tally::ScoresJson() const {
  std::string out;
  base::JsonWriter json(out);
  json.BeginArray();
  for (const auto& [score, count] : scores)
    json.BeginArray().Number(score).Number(count).EndArray();
  json.EndArray();
  return out;
}

Status Tally::AddBands(std::string_view json) {
  return ForEachPair(json, [this](simdjson::dom::element band, uint64_t count) {
    std::string_view name;
    if (band.get(name) != simdjson::SUCCESS) return false;
    const auto at = bands.find(name);
    at != bands.end() ? at->second += count : bands[std::string(name)] = count;
    return true;
  });
}

Status Tally::AddScores(std::string_view json) {
  return ForEachPair(json, [this](simdjson::dom::element score, uint64_t count) {
    double value = 0;
    if (score.get(value) != simdjson::SUCCESS) return false;
    scores[value] += count;
    return true;
  });
}

}  // namespace weir::epro
