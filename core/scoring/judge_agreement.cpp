#include "core/scoring/judge_agreement.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string_view>
#include <utility>

namespace assay::scoring {
namespace {

using nlohmann::json;

/// As score_outcome cuts it.
constexpr size_t most_extracted = 256;
constexpr double right_from = 0.5;

bool is_judge(const scorer_definition& scorer) noexcept {
  return scorer.type == scorer_type::judge || scorer.type == scorer_type::pairwise;
}

double steps_of(const scorer_definition& scorer) noexcept {
  // Two verdicts of a pair may meet halfway between a win and a tie.
  if (scorer.type == scorer_type::pairwise)
    return 4;
  return scorer.scale == judge_scale::ten ? 9 : scorer.scale == judge_scale::five ? 4 : 1;
}

json number(const std::optional<double>& value) { return value ? json(*value) : json(nullptr); }

uint64_t count_of(const rating_pairs& ratings) noexcept {
  uint64_t out = 0;
  for (const auto& [pair, count] : ratings)
    out += count;
  return out;
}

json share_of_same(const rating_pairs& ratings) {
  uint64_t same = 0;
  for (const auto& [pair, count] : ratings)
    same += pair.first == pair.second ? count : 0;
  const auto all = count_of(ratings);
  return all > 0 ? json(static_cast<double>(same) / static_cast<double>(all)) : json(nullptr);
}

const score_value* score_of(std::span<const score_value> scores, size_t scorer) noexcept {
  for (const auto& one : scores)
    if (one.scorer == scorer)
      return std::isfinite(one.value) ? &one : nullptr;
  return nullptr;
}

} // namespace

std::vector<std::optional<double>> verdicts_in(std::string_view extracted) {
  std::vector<std::optional<double>> out;
  for (std::string_view rest = extracted; !rest.empty();) {
    const size_t comma = rest.find(", ");
    const auto word = rest.substr(0, comma);
    if (comma == std::string_view::npos && extracted.size() >= most_extracted)
      break;
    double value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    const bool is_number = error == std::errc{} && end == word.data() + word.size();
    out.push_back(is_number ? std::optional{value} : std::nullopt);
    rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 2);
  }
  return out;
}

judge_agreement::judge_agreement(std::vector<scorer_definition> scorers) : scorers_(std::move(scorers)) {
  for (size_t i = 0; i < scorers_.size(); ++i) {
    if (!is_judge(scorers_[i]))
      continue;
    const size_t judges = scorers_[i].models.size();
    if (judges > 1) {
      panel& made = panels_.emplace_back();
      made.scorer = i;
      made.steps = steps_of(scorers_[i]);
      for (size_t a = 0; a < judges; ++a)
        for (size_t b = a + 1; b < judges; ++b)
          made.pairs.push_back({a, b});
    }
    // Two judges are a pair once.
    for (size_t other = 0; other < scorers_.size(); ++other)
      if (other != i && (!is_judge(scorers_[other]) || other > i))
        pairs_.push_back({i, other});
  }
}

void judge_agreement::add_verdicts(panel& of, const std::string& extracted) {
  std::vector<std::optional<double>> ratings;
  size_t rated = 0;
  for (const auto& verdict : verdicts_in(extracted)) {
    // Verdicts are shown with three digits.
    ratings.push_back(verdict ? std::optional{std::round(*verdict * of.steps)} : std::nullopt);
    rated += verdict ? 1 : 0;
  }
  of.samples += rated > 1 ? 1 : 0;
  of.alpha.add(ratings);
  for (auto& pair : of.pairs) {
    if (pair.second >= ratings.size() || !ratings[pair.first] || !ratings[pair.second])
      continue;
    const auto category = [](double rating) { return static_cast<uint32_t>(std::max(0.0, rating)); };
    ++pair.ratings[{category(*ratings[pair.first]), category(*ratings[pair.second])}];
  }
}

void judge_agreement::add(std::span<const score_value> scores) {
  for (auto& one : panels_)
    if (const auto* score = score_of(scores, one.scorer))
      add_verdicts(one, score->extracted);
  for (auto& pair : pairs_) {
    const auto* judge = score_of(scores, pair.judge);
    const auto* other = score_of(scores, pair.other);
    if (judge != nullptr && other != nullptr)
      ++pair.ratings[{judge->value >= right_from ? 1U : 0U, other->value >= right_from ? 1U : 0U}];
  }
}

json judge_agreement::finish() const {
  if (panels_.empty() && pairs_.empty())
    return nullptr;
  json panels = json::array();
  for (const auto& one : panels_) {
    const auto& scorer = scorers_[one.scorer];
    const bool yes_or_no = one.steps == 1;
    json pairs = json::array();
    for (const auto& pair : one.pairs)
      pairs.push_back(
          {{"first", scorer.models[pair.first]},
           {"second", scorer.models[pair.second]},
           {"samples", count_of(pair.ratings)},
           {"same", share_of_same(pair.ratings)},
           {"cohens_kappa", number(cohens_kappa(pair.ratings, yes_or_no ? agreement_weights::nominal
                                                                        : agreement_weights::quadratic))}});
    panels.push_back({{"scorer", name_of(scorer)},
                      {"judges", scorer.models},
                      {"samples", one.samples},
                      {"krippendorff_alpha",
                       number(one.alpha.value(yes_or_no ? alpha_metric::nominal : alpha_metric::interval))},
                      {"distance", yes_or_no ? "nominal" : "interval"},
                      {"pairs", std::move(pairs)}});
  }
  json scorers = json::array();
  for (const auto& pair : pairs_)
    scorers.push_back({{"judge", name_of(scorers_[pair.judge])},
                       {"scorer", name_of(scorers_[pair.other])},
                       {"samples", count_of(pair.ratings)},
                       {"same", share_of_same(pair.ratings)},
                       {"cohens_kappa", number(cohens_kappa(pair.ratings))}});
  return {{"judges", std::move(panels)}, {"scorers", std::move(scorers)}};
}

} // namespace assay::scoring
