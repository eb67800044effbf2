#pragma once

#include <string>
#include <string_view>

namespace assay::reports {

/// A drawing that is built piece by piece and stands inside an HTML page. Coordinates are pixels from the
/// upper left corner; colours and fonts come from the page's classes. All texts are escaped.
class svg {
public:
  /// @param title What screen readers say of it.
  svg(double width, double height, std::string_view title);

  svg& rect(double x, double y, double width, double height, std::string_view css_class,
            std::string_view tooltip = {});
  svg& line(double x1, double y1, double x2, double y2, std::string_view css_class);
  svg& circle(double x, double y, double radius, std::string_view css_class, std::string_view tooltip = {});
  /// @param anchor `start`, `middle` or `end`.
  svg& text(double x, double y, std::string_view content, std::string_view anchor = "start",
            std::string_view css_class = "label");

  /// @returns the whole element.
  std::string finish() const { return out_ + "</svg>\n"; }

private:
  void close(std::string_view tag, std::string_view tooltip);

  std::string out_;
};

} // namespace assay::reports
