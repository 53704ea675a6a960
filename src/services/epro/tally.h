// Counters of a group of reports and the exact distribution of their scores.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace weir::epro {

struct Tally {
  uint64_t received = 0;
  uint64_t late = 0;  // authored more than 24 h before received
  uint64_t scored = 0;
  std::map<std::string, uint64_t, std::less<>> bands;
  std::map<double, uint64_t> scores;  // how often each total occurred

  void Merge(const Tally& other);
  // The mean of the two middle scores, or the middle one; the smallest score that at least 95 % do
  // not exceed. Nullopt: nothing was scored.
  std::optional<double> Median() const;
  std::optional<double> P95() const;

  // [[band, count], …] and [[score, count], …], in order.
  std::string BandsJson() const;
  std::string ScoresJson() const;
  // Adds what those wrote. kCorruption: they did not.
  base::Status AddBands(std::string_view json);
  base::Status AddScores(std::string_view json);

 private:
  double ScoreAt(uint64_t rank) const;  // from 1
};

}  // namespace weir::epro
