// A counter in Verilog: it has Coq's extension and is not Coq.
module counter (input wire clk, input wire reset, output reg [7:0] value);
  always @(posedge clk) begin
    if (reset)
      value <= 8'd0;
    else
      value <= value + 8'd1;
  end
endmodule
