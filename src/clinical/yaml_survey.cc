#include "clinical/yaml_survey.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <sstream>

namespace weir::clinical {
namespace {

tl::unexpected<base::Error> Wrong(const std::string& what) {
  return base::Fail(base::ErrorCode::kInvalidArgument, "rules: " + what);
}

class Surveyor : public YAML::EventHandler {
 public:
  bool too_large() const { return nodes_ > kNodesMax; }
  bool refers() const { return refers_; }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t anchor) override { Count(anchor); }
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override { refers_ = true; }
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t anchor,
                const std::string&) override {
    Count(anchor);
  }
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Count(anchor);
  }
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Count(anchor);
  }
  void OnMapEnd() override {}

 private:
  // Scores for 50,000 answers, twice over.
  static constexpr size_t kNodesMax = 200'000;

  void Count(YAML::anchor_t anchor) {
    ++nodes_;
    refers_ = refers_ || anchor != YAML::NullAnchor;
  }
  size_t nodes_ = 0;
  bool refers_ = false;
};

}  // namespace

base::Status SurveyYaml(const std::string& text) {
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  Surveyor first, second;
  parser.HandleNextDocument(first);
  if (parser.HandleNextDocument(second)) return Wrong("must be one YAML document");
  if (first.too_large()) return Wrong("hold more than any instrument needs");
  if (first.refers()) return Wrong("use '&' or '*': write out what they refer to");
  return {};
}

}  // namespace weir::clinical
