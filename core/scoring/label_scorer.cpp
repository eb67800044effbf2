#include "core/scoring/scorer_types.hpp"
#include "core/scoring/text.hpp"
#include "core/values/text.hpp"

#include <algorithm>

namespace assay::scoring {
namespace {

constexpr size_t label_limit = 120;

/// Compares the label that the answer names with the target's. Several of them over a run make accuracy, a
/// correlation, or the classes' F1.
class label_scorer final : public scorer {
public:
  explicit label_scorer(const scorer_definition& d) : scorer(d) {
    for (const std::string& label : d.labels)
      labels_.push_back(plain(label));
  }

protected:
  score_outcome judge(std::string_view answer, std::string_view target) const override {
    const std::string mine = shortened(label_of(answer));
    const std::string wanted = shortened(label_of(target));
    return {mine == wanted ? 1.0 : 0.0, mine + "\t" + wanted, std::nullopt};
  }
  std::vector<std::string> right_candidates(std::string_view target) const override {
    return {std::string(target)};
  }
  std::vector<std::string> wrong_candidates(std::string_view) const override {
    std::vector<std::string> out = definition().labels;
    out.emplace_back("something else");
    return out;
  }

private:
  std::string plain(std::string_view text) const {
    const scorer_definition& d = definition();
    std::string out(text);
    if (d.ignore_case || !d.labels.empty())
      out = lower_case(out);
    if (d.ignore_punctuation)
      out = remove_punctuation(out);
    return std::string(scoring::strip(out));
  }

  std::string label_of(std::string_view text) const {
    std::string words = plain(text);
    if (labels_.empty())
      return words;
    std::string_view view = words;
    while (!view.empty() && (view.back() == '.' || view.back() == '!'))
      view.remove_suffix(1);
    size_t best_end = 0;
    const std::string* best = nullptr;
    for (const std::string& label : labels_) {
      if (label == view)
        return label;
      const size_t at = last_place(view, label);
      if (at == std::string_view::npos)
        continue;
      // "not sure" ends where "sure" does: the longer one is meant.
      const size_t end = at + label.size();
      if (best == nullptr || end > best_end || (end == best_end && label.size() > best->size())) {
        best_end = end;
        best = &label;
      }
    }
    return best == nullptr ? words : *best;
  }

  /// Where @p label last stands in @p text as whole words.
  static size_t last_place(std::string_view text, std::string_view label) {
    if (label.empty())
      return std::string_view::npos;
    const auto joined = [&](size_t i) {
      const auto c = static_cast<unsigned char>(text[i]);
      return c < 0x80 && is_word_character(c);
    };
    for (size_t at = text.rfind(label); at != std::string_view::npos;
         at = at == 0 ? std::string_view::npos : text.rfind(label, at - 1)) {
      const size_t end = at + label.size();
      if ((at == 0 || !joined(at - 1)) && (end == text.size() || !joined(end)))
        return at;
    }
    return std::string_view::npos;
  }

  /// A label as the run's aggregate keeps it: text without tabs, not long.
  static std::string shortened(std::string text) {
    std::replace(text.begin(), text.end(), '\t', ' ');
    return std::string(cut(valid_utf8(cut(text, label_limit)), label_limit));
  }

  std::vector<std::string> labels_;
};

} // namespace

result<std::unique_ptr<scorer>> make_label(const scorer_definition& d) {
  if (d.type == scorer_type::f1 && d.average == f1_average::binary && d.positive.empty())
    return fault{errc::invalid_argument, "a binary f1 needs the class that counts", "positive",
                 "for example: positive: yes"};
  if (d.labels.size() == 1)
    return fault{errc::invalid_argument, "expected two labels or more", "labels", {}};
  return std::unique_ptr<scorer>(std::make_unique<label_scorer>(d));
}

} // namespace assay::scoring
