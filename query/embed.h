/*
 * embed.h
 *	  Files that are part of the program.
 *
 *	EMBED(page_script, "query/page/page.js");	the bytes from page_script to page_script_end
 *
 * The path is as seen from the top of the checkout, where the assembler runs.
 */
#ifndef QUERY_EMBED_H
#define QUERY_EMBED_H

#define EMBED(name, file)                                                                 \
	__asm__(".pushsection .rodata\n.global " #name "\n" #name ":\n.incbin \"" file "\"\n" \
			".global " #name "_end\n" #name "_end:\n.popsection\n");                      \
	extern const char name[], name##_end[]

#endif /* QUERY_EMBED_H */
