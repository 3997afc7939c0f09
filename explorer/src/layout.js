// Where boxes and arrows go, by dagre; in a worker where there can be one.
import dagre from "@dagrejs/dagre";

/** Plain data in, plain data out. */
export function place({ boxes, frames, arrows }) {
  const graph = new dagre.graphlib.Graph({ compound: true });
  graph.setGraph({ rankdir: "TB", nodesep: 18, ranksep: 34, edgesep: 10, marginx: 24, marginy: 24, ranker: boxes.length > 250 ? "longest-path" : "network-simplex" });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const box of boxes) graph.setNode(box.id, { width: box.width, height: box.height });
  for (const frame of frames) graph.setNode(frame.id, {});
  for (const item of [...boxes, ...frames]) if (item.parent) graph.setParent(item.id, item.parent);
  for (const [from, to] of arrows) graph.setEdge(from, to);
  dagre.layout(graph);
  const at = ({ x, y, width, height }) => ({ x, y, width, height });
  return {
    boxes: boxes.map((b) => ({ id: b.id, ...at(graph.node(b.id)) })),
    frames: frames.map((f) => ({ id: f.id, ...at(graph.node(f.id)) })),
    arrows: arrows.map(([from, to]) => graph.edge(from, to).points.map(({ x, y }) => [x, y])),
    width: graph.graph().width,
    height: graph.graph().height,
  };
}
