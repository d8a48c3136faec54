"""The plan for people: text, Mermaid, and pictures as SVG and HTML. Pure, but for the layout, which igraph finds."""
