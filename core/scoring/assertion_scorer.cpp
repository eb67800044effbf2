#include "core/scoring/assertions.hpp"
#include "core/scoring/scorer_types.hpp"

namespace assay::scoring {
namespace {

class assertion_scorer final : public scorer {
public:
  using scorer::scorer;

protected:
  score_outcome judge(std::string_view answer, std::string_view target) const override {
    auto verdict = judge_assertions(answer, target);
    if (!verdict)
      return unusable_target(verdict.error().message, verdict.error().hint);
    std::string said;
    for (const auto& [name, value] : verdict->metrics)
      said.append(name).append("=").append(std::to_string(value).substr(0, 5)).append(" ");
    const bool by_pass = definition().variant == "pass";
    const double passed = verdict->pass ? 1 : 0;
    return {by_pass ? passed : verdict->score, said + verdict->reason, std::nullopt};
  }

  std::vector<std::string> right_candidates(std::string_view target) const override {
    return answers_for(target);
  }
  std::vector<std::string> wrong_candidates(std::string_view target) const override {
    auto out = answers_for(target);
    out.insert(out.begin(), "Something else");
    return out;
  }
};

} // namespace

result<std::unique_ptr<scorer>> make_assertions(const scorer_definition& d) {
  if (!d.variant.empty() && d.variant != "score" && d.variant != "pass")
    return fault{errc::invalid_argument, "no variant of assertions is called `" + d.variant + "`", "variant",
                 "known: score, pass"};
  return std::unique_ptr<scorer>(std::make_unique<assertion_scorer>(d));
}

} // namespace assay::scoring
